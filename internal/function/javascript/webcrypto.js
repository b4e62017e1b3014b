// crypto: random numbers (Web Cryptography API). It has no other part of that interface.
(native, web) => {
  'use strict';

  const { bytes, expose, need, refuse, typedTag, uncurry } = web;
  const set = uncurry(Uint8Array.prototype.set);
  const isView = ArrayBuffer.isView;
  const integers = new Set([
    'Int8Array',
    'Uint8Array',
    'Uint8ClampedArray',
    'Int16Array',
    'Uint16Array',
    'Int32Array',
    'Uint32Array',
    'BigInt64Array',
    'BigUint64Array',
  ]);
  const isInteger = uncurry(Set.prototype.has);
  const quota = 65536;

  const hex = [];
  for (let i = 0; i < 256; i++) hex[i] = (i + 256).toString(16).slice(1);

  const crypto = {
    getRandomValues(array) {
      need(arguments, 1, 'crypto.getRandomValues');
      if (!isView(array)) throw new TypeError('crypto.getRandomValues needs a typed array of integers');
      if (!isInteger(integers, typedTag(array)))
        refuse('TypeMismatchError', 'crypto.getRandomValues fills typed arrays of integers only');
      const b = bytes(array);
      if (b.length > quota)
        refuse(
          'QuotaExceededError',
          `crypto.getRandomValues fills ${quota} bytes at most, but the array has ${b.length}`,
        );
      if (b.length > 0) set(b, native.random(b.length));
      return array;
    },
    randomUUID() {
      const b = native.random(16);
      const h = (i) => hex[b[i]];
      b[6] = (b[6] & 0x0f) | 0x40; // version 4
      b[8] = (b[8] & 0x3f) | 0x80; // variant of RFC 9562
      return (
        `${h(0)}${h(1)}${h(2)}${h(3)}-${h(4)}${h(5)}-${h(6)}${h(7)}-${h(8)}${h(9)}-` +
        `${h(10)}${h(11)}${h(12)}${h(13)}${h(14)}${h(15)}`
      );
    },
  };
  Object.defineProperty(crypto, Symbol.toStringTag, { value: 'Crypto', configurable: true });
  expose({ crypto });
}
