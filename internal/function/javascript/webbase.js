// What the other files of web globals share: how a class is put on globalThis, the conversions that
// the standards define for arguments.
(native, web) => {
  'use strict';

  const { apply, defineProperty, getOwnPropertyDescriptor, getPrototypeOf, ownKeys, setPrototypeOf } = Reflect;
  const { stringify } = JSON;

  // Functions may replace what is built in; the methods that this code cannot do without are kept.
  const uncurry =
    (f) =>
    (self, ...args) =>
      apply(f, self, args);
  const getter = (prototype, name) => uncurry(getOwnPropertyDescriptor(prototype, name).get);
  const toWellFormed = uncurry(String.prototype.toWellFormed);
  const bufferByteLength = getter(ArrayBuffer.prototype, 'byteLength');
  const typedArray = getPrototypeOf(Uint8Array.prototype);
  const typedBuffer = getter(typedArray, 'buffer');
  const typedByteOffset = getter(typedArray, 'byteOffset');
  const typedByteLength = getter(typedArray, 'byteLength');
  const typedTag = getter(typedArray, Symbol.toStringTag);
  const dataBuffer = getter(DataView.prototype, 'buffer');
  const dataByteOffset = getter(DataView.prototype, 'byteOffset');
  const dataByteLength = getter(DataView.prototype, 'byteLength');
  const isView = ArrayBuffer.isView;
  const IteratorPrototype = getPrototypeOf(getPrototypeOf([][Symbol.iterator]()));

  // expose puts the properties of an object on globalThis.
  const expose = (values) => {
    for (const name of ownKeys(values)) {
      defineProperty(globalThis, name, { value: values[name], writable: true, enumerable: false, configurable: true });
    }
  };

  // declare makes the members of a class enumerable, gives it its tag, and puts it on globalThis.
  const declare = (C, constants = {}) => {
    for (const target of [C, C.prototype]) {
      for (const key of ownKeys(target)) {
        const d = getOwnPropertyDescriptor(target, key);
        if (
          typeof key === 'string' &&
          key !== 'constructor' &&
          d.configurable &&
          (d.get || typeof d.value === 'function')
        ) {
          defineProperty(target, key, { ...d, enumerable: true });
        }
      }
      for (const name of ownKeys(constants)) {
        defineProperty(target, name, {
          value: constants[name],
          writable: false,
          enumerable: true,
          configurable: false,
        });
      }
    }
    defineProperty(C.prototype, Symbol.toStringTag, {
      value: C.name,
      writable: false,
      enumerable: false,
      configurable: true,
    });
    expose({ [C.name]: C });
  };

  // need refuses a call with too few arguments.
  const need = (args, n, what) => {
    if (args.length < n) {
      throw new TypeError(`${what} needs ${n} argument${n === 1 ? '' : 's'}, but got ${args.length}`);
    }
  };

  // text converts to a string without lone surrogates.
  const text = (v) => toWellFormed(`${v}`);

  const isObject = (v) => (typeof v === 'object' && v !== null) || typeof v === 'function';

  // dictionary refuses what cannot be an options object; undefined and null stand for one without members.
  const dictionary = (v, what) => {
    if (v === undefined || v === null) return {};
    if (!isObject(v)) throw new TypeError(`${what} must be an object`);
    return v;
  };

  const isBuffer = (v) => {
    try {
      bufferByteLength(v);
      return true;
    } catch {
      return false;
    }
  };

  // bytes is a Uint8Array over the memory of a buffer or view, and undefined for anything else.
  const bytes = (v) => {
    if (isView(v)) {
      return typedTag(v) === undefined
        ? new Uint8Array(dataBuffer(v), dataByteOffset(v), dataByteLength(v))
        : new Uint8Array(typedBuffer(v), typedByteOffset(v), typedByteLength(v));
    }
    if (typeof v === 'object' && v !== null && isBuffer(v)) return new Uint8Array(v);
    return undefined;
  };

  // pairs converts what makes a list of names and values, a sequence of pairs or a record, and hands
  // each pair to add.
  const pairs = (init, what, add) => {
    const method = init[Symbol.iterator];
    if (method === undefined || method === null) {
      for (const key of ownKeys(init)) {
        const d = getOwnPropertyDescriptor(init, key);
        if (d && d.enumerable) add(`${key}`, init[key]);
      }
      return;
    }
    if (typeof method !== 'function') throw new TypeError(`${what} must be a sequence of pairs or an object`);
    for (const pair of { [Symbol.iterator]: () => apply(method, init, []) }) {
      if (!isObject(pair) || typeof pair[Symbol.iterator] !== 'function') {
        throw new TypeError(`${what} must be a sequence of pairs, each of a name and a value`);
      }
      const both = [...pair];
      if (both.length !== 2)
        throw new TypeError(`${what} must be a sequence of pairs, but one has ${both.length} elements`);
      add(both[0], both[1]);
    }
  };

  // iterable gives a class with the method list, which returns [name, value] pairs, the methods of a
  // map-like iterable. Iteration is live: it looks at the list anew for each step.
  const iterable = (C, list) => {
    class Iterator {
      #target;
      #kind;
      #index = 0;
      constructor(target, kind) {
        this.#target = target;
        this.#kind = kind;
      }
      next() {
        if (this.#target === undefined) return { value: undefined, done: true };
        const all = list(this.#target);
        if (this.#index >= all.length) {
          this.#target = undefined;
          return { value: undefined, done: true };
        }
        const pair = all[this.#index++];
        const value = this.#kind === 'keys' ? pair[0] : this.#kind === 'values' ? pair[1] : [pair[0], pair[1]];
        return { value, done: false };
      }
    }
    const prototype = Iterator.prototype;
    delete prototype.constructor;
    setPrototypeOf(prototype, IteratorPrototype);
    defineProperty(prototype, 'next', { enumerable: true });
    defineProperty(prototype, Symbol.toStringTag, { value: `${C.name} Iterator`, configurable: true });

    const methods = {
      entries() {
        list(this);
        return new Iterator(this, 'entries');
      },
      keys() {
        list(this);
        return new Iterator(this, 'keys');
      },
      values() {
        list(this);
        return new Iterator(this, 'values');
      },
      forEach(callback, thisArg = undefined) {
        if (typeof callback !== 'function') throw new TypeError(`${C.name}.forEach needs a function`);
        for (let i = 0; i < list(this).length; i++) {
          const pair = list(this)[i];
          apply(callback, thisArg, [pair[1], pair[0], this]);
        }
      },
    };
    for (const name of ownKeys(methods)) {
      defineProperty(C.prototype, name, { value: methods[name], writable: true, enumerable: true, configurable: true });
    }
    defineProperty(C.prototype, Symbol.iterator, {
      value: methods.entries,
      writable: true,
      enumerable: false,
      configurable: true,
    });
  };

  // inspect says what console prints for the instances of a class: its name and the value that show
  // returns, as JSON.
  const inspect = (C, show) => {
    const value = function () {
      try {
        return `${this[Symbol.toStringTag]} ${stringify(show(this))}`;
      } catch {
        return C.name; // the prototype itself, for instance
      }
    };
    defineProperty(C.prototype, native.inspectSymbol, { value, configurable: true });
  };

  // platform holds, for each class of objects that cannot be cloned, a function that tells them.
  web.platform = [];
  Object.assign(web, {
    bytes,
    declare,
    dictionary,
    expose,
    inspect,
    isBuffer,
    isObject,
    iterable,
    need,
    pairs,
    text,
    typedTag,
    uncurry,
    getter,
  });
}
