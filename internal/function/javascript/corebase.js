// What the core keeps of the built-ins: the user's code shares its global object and may replace
// them. For the same reason the core uses no syntax that looks at a prototype later: no for-of, no
// spread, no array methods.

const { Error, TypeError, RangeError, Promise, String, __nexCollect: collect } = globalThis;
const { apply, ownKeys, getPrototypeOf } = Reflect;
const { stringify, parse } = JSON;
const { create, defineProperty, setPrototypeOf } = Object;
const { isArray } = Array;
const { isInteger } = Number;
const { fromCharCode } = String;
const { isView } = ArrayBuffer;
const { SharedArrayBuffer, ArrayBuffer: Buffer, Uint8Array: Bytes, Int32Array: Ints, Float64Array: Floats } = globalThis;
const charCodeAt = String.prototype.charCodeAt;
const functionText = Function.prototype.toString;
const generators = [getPrototypeOf(function* () {}), getPrototypeOf(async function* () {})];
const objectPrototype = Object.prototype;
const arrayPrototype = Array.prototype;
const promisePrototype = Promise.prototype;
const bufferPrototype = Buffer.prototype;
const typedPrototype = getPrototypeOf(Bytes.prototype);
const getter = (prototype, name) => Object.getOwnPropertyDescriptor(prototype, name).get;
const setBytes = typedPrototype.set;
const bufferSize = getter(bufferPrototype, 'byteLength');
const kindOf = getter(typedPrototype, Symbol.toStringTag);
const typed = {
  buffer: getter(typedPrototype, 'buffer'),
  offset: getter(typedPrototype, 'byteOffset'),
  size: getter(typedPrototype, 'byteLength'),
};
const view = {
  buffer: getter(DataView.prototype, 'buffer'),
  offset: getter(DataView.prototype, 'byteOffset'),
  size: getter(DataView.prototype, 'byteLength'),
};
const sizeOf = (bytes) => apply(typed.size, bytes, []);
