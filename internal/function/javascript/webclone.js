// structuredClone (HTML Standard). A value is first taken down as records, which can fail and runs
// getters, and then made anew from them, which cannot: so a failure leaves what was to be transferred
// as it was.
(native, web) => {
  'use strict';

  const { DOMException, bytes, dictionary, expose, getter, isBuffer, isDOMException, isObject, need, platform } = web;
  const { refuse, typedTag, uncurry } = web;
  const { defineProperty, getOwnPropertyDescriptor, ownKeys } = Reflect;
  const isArray = Array.isArray;
  const isView = ArrayBuffer.isView;
  const tagOf = uncurry(Object.prototype.toString);
  const slice = uncurry(String.prototype.slice);
  const bufferSlice = uncurry(ArrayBuffer.prototype.slice);
  const transferBuffer = uncurry(ArrayBuffer.prototype.transfer);
  const detached = getter(ArrayBuffer.prototype, 'detached');
  const resizable = getter(ArrayBuffer.prototype, 'resizable');
  const maxByteLength = getter(ArrayBuffer.prototype, 'maxByteLength');
  const mapForEach = uncurry(Map.prototype.forEach);
  const setForEach = uncurry(Set.prototype.forEach);
  const setHas = uncurry(Set.prototype.has);
  const mapGet = uncurry(Map.prototype.get);
  const mapSet = uncurry(Map.prototype.set);

  // The values that boxes and the like hold; each throws for what is not of its kind.
  const slots = {
    Boolean: uncurry(Boolean.prototype.valueOf),
    Number: uncurry(Number.prototype.valueOf),
    String: uncurry(String.prototype.valueOf),
    BigInt: uncurry(BigInt.prototype.valueOf),
    Date: uncurry(Date.prototype.getTime),
    RegExp: getter(RegExp.prototype, 'source'),
    Map: getter(Map.prototype, 'size'),
    Set: getter(Set.prototype, 'size'),
  };
  const flags = getter(RegExp.prototype, 'flags');

  const errors = { Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError };
  const views = {
    DataView,
    Int8Array,
    Uint8Array,
    Uint8ClampedArray,
    Int16Array,
    Uint16Array,
    Int32Array,
    Uint32Array,
    Float32Array,
    Float64Array,
    BigInt64Array,
    BigUint64Array,
  };
  const viewLength = getter(Object.getPrototypeOf(Uint8Array.prototype), 'length');

  // Kinds of objects that hold more than their properties and that cannot be cloned.
  const uncloneable = new Set([
    'Promise',
    'WeakMap',
    'WeakSet',
    'WeakRef',
    'FinalizationRegistry',
    'Generator',
    'AsyncGenerator',
    'Symbol',
    'SharedArrayBuffer',
    'Array Iterator',
    'Map Iterator',
    'Set Iterator',
    'String Iterator',
    'RegExp String Iterator',
    'Iterator Helper',
  ]);

  const is = (kind, v) => {
    try {
      slots[kind](v);
      return true;
    } catch {
      return false;
    }
  };

  const fail = (what) => refuse('DataCloneError', `${what} cannot be cloned`);

  const describe = (v) => {
    if (typeof v === 'function') return `the function ${v.name || 'without a name'}`;
    return typeof v === 'symbol' ? `${String(v)}` : `an object of the class ${slice(tagOf(v), 8, -1)}`;
  };

  // The record of an object. Primitive values stand for themselves.
  class Rec {
    constructor(kind) {
      this.kind = kind;
      this.made = undefined;
    }
  }

  // properties takes down the own enumerable properties.
  const properties = (v, rec, seen) => {
    rec.keys = [];
    rec.values = [];
    const keys = ownKeys(v);
    for (let i = 0; i < keys.length; i++) {
      if (typeof keys[i] !== 'string') continue;
      const d = getOwnPropertyDescriptor(v, keys[i]);
      if (!d || !d.enumerable) continue;
      const at = rec.keys.length;
      rec.keys[at] = keys[i];
      rec.values[at] = takeDown(v[keys[i]], seen);
    }
  };

  const takeDownError = (v, rec, seen) => {
    const name = `${v.name}`;
    rec.name = Object.hasOwn(errors, name) ? name : 'Error';
    for (const key of ['message', 'stack', 'cause']) {
      const d = getOwnPropertyDescriptor(v, key);
      if (d === undefined) continue;
      if (key === 'cause') rec.cause = [takeDown(v.cause, seen)];
      else rec[key] = `${v[key]}`;
    }
  };

  const takeDown = (v, seen) => {
    if (typeof v === 'symbol' || typeof v === 'function') fail(describe(v));
    if (!isObject(v)) return v;
    const known = mapGet(seen, v);
    if (known) return known;
    const note = (kind) => {
      const rec = new Rec(kind);
      mapSet(seen, v, rec);
      return rec;
    };

    if (isArray(v)) {
      const rec = note('Array');
      rec.length = v.length;
      properties(v, rec, seen);
      return rec;
    }
    if (isView(v)) {
      const rec = note('view');
      const b = bytes(v);
      if (!isBuffer(b.buffer)) fail('a view of a SharedArrayBuffer');
      rec.name = typedTag(v) ?? 'DataView';
      if (!Object.hasOwn(views, rec.name)) fail(describe(v));
      rec.offset = b.byteOffset;
      rec.length = rec.name === 'DataView' ? b.length : viewLength(v);
      rec.buffer = takeDown(b.buffer, seen);
      return rec;
    }
    const tag = slice(tagOf(v), 8, -1);
    if (Object.hasOwn(slots, tag) && is(tag, v)) {
      const rec = note(tag);
      if (tag === 'RegExp') rec.flags = flags(v);
      if (tag === 'Map') {
        const list = [];
        mapForEach(v, (value, key) => {
          list[list.length] = [key, value];
        });
        for (let i = 0; i < list.length; i++) list[i] = [takeDown(list[i][0], seen), takeDown(list[i][1], seen)];
        rec.list = list;
      } else if (tag === 'Set') {
        const list = [];
        setForEach(v, (value) => {
          list[list.length] = value;
        });
        for (let i = 0; i < list.length; i++) list[i] = takeDown(list[i], seen);
        rec.list = list;
      } else {
        rec.value = slots[tag](v);
      }
      return rec;
    }
    if (tag === 'ArrayBuffer' && isBuffer(v)) {
      const rec = note('ArrayBuffer');
      if (detached(v)) fail('a detached ArrayBuffer');
      rec.max = resizable(v) ? maxByteLength(v) : undefined;
      rec.content = bufferSlice(v, 0);
      return rec;
    }
    if (isDOMException(v)) {
      const rec = note('DOMException');
      rec.name = v.name;
      rec.message = v.message;
      rec.stack = `${v.stack}`;
      return rec;
    }
    if (tag === 'Error') {
      const rec = note('Error');
      takeDownError(v, rec, seen);
      return rec;
    }
    if (setHas(uncloneable, tag)) fail(describe(v));
    for (let i = 0; i < platform.length; i++) if (platform[i](v)) fail(describe(v));
    const rec = note('Object');
    properties(v, rec, seen);
    return rec;
  };

  const own = (target, key, value) => {
    defineProperty(target, key, { value, writable: true, enumerable: true, configurable: true });
  };
  const hidden = (target, key, value) => {
    defineProperty(target, key, { value, writable: true, enumerable: false, configurable: true });
  };

  // make makes the value of a record, once.
  const make = (rec) => {
    if (!(rec instanceof Rec)) return rec;
    return rec.made === undefined ? makers[rec.kind](rec) : rec.made;
  };

  const fill = (rec) => {
    for (let i = 0; i < rec.keys.length; i++) own(rec.made, rec.keys[i], make(rec.values[i]));
    return rec.made;
  };

  const makers = {
    Array(rec) {
      rec.made = new Array(rec.length);
      return fill(rec);
    },
    Object(rec) {
      rec.made = {};
      return fill(rec);
    },
    Map(rec) {
      rec.made = new Map();
      for (let i = 0; i < rec.list.length; i++) mapSet(rec.made, make(rec.list[i][0]), make(rec.list[i][1]));
      return rec.made;
    },
    Set(rec) {
      rec.made = new Set();
      for (let i = 0; i < rec.list.length; i++) setAdd(rec.made, make(rec.list[i]));
      return rec.made;
    },
    Date: (rec) => (rec.made = new Date(rec.value)),
    RegExp: (rec) => (rec.made = new RegExp(rec.value, rec.flags)),
    Boolean: (rec) => (rec.made = Object(rec.value)),
    Number: (rec) => (rec.made = Object(rec.value)),
    String: (rec) => (rec.made = Object(rec.value)),
    BigInt: (rec) => (rec.made = Object(rec.value)),
    ArrayBuffer(rec) {
      if (rec.max === undefined) return (rec.made = rec.content);
      rec.made = new ArrayBuffer(rec.content.byteLength, { maxByteLength: rec.max });
      bytesSet(new Uint8Array(rec.made), new Uint8Array(rec.content));
      return rec.made;
    },
    view: (rec) => (rec.made = new views[rec.name](make(rec.buffer), rec.offset, rec.length)),
    Error(rec) {
      rec.made = new errors[rec.name]();
      if (rec.message !== undefined) hidden(rec.made, 'message', rec.message);
      if (rec.stack !== undefined) hidden(rec.made, 'stack', rec.stack);
      if (rec.cause !== undefined) hidden(rec.made, 'cause', make(rec.cause[0]));
      return rec.made;
    },
    DOMException(rec) {
      rec.made = new DOMException(rec.message, rec.name);
      hidden(rec.made, 'stack', rec.stack);
      return rec.made;
    },
  };
  const setAdd = uncurry(Set.prototype.add);
  const bytesSet = uncurry(Uint8Array.prototype.set);

  expose({
    structuredClone(value, options = undefined) {
      need(arguments, 1, 'structuredClone');
      const transfer = dictionary(options, 'the options of structuredClone').transfer;
      const buffers = transfer === undefined ? [] : [...transfer];
      const seen = new Map();
      const moved = [];
      for (let i = 0; i < buffers.length; i++) {
        if (!isObject(buffers[i]))
          throw new TypeError('the option transfer of structuredClone must be a sequence of objects');
        if (!isBuffer(buffers[i])) refuse('DataCloneError', 'structuredClone can transfer ArrayBuffers only');
        if (mapGet(seen, buffers[i]))
          refuse('DataCloneError', 'an ArrayBuffer is twice in the option transfer of structuredClone');
        moved[i] = new Rec('ArrayBuffer');
        mapSet(seen, buffers[i], moved[i]);
      }
      const rec = takeDown(value, seen);
      for (let i = 0; i < buffers.length; i++) {
        if (detached(buffers[i])) fail('a detached ArrayBuffer');
      }
      for (let i = 0; i < buffers.length; i++) moved[i].made = transferBuffer(buffers[i]);
      return make(rec);
    },
  });
}
