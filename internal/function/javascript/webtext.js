// TextEncoder and TextDecoder (Encoding Standard), atob and btoa (HTML Standard).
(native, web) => {
  'use strict';

  const { bytes, declare, dictionary, expose, need, refuse, text, typedTag, uncurry } = web;
  const charCodeAt = uncurry(String.prototype.charCodeAt);
  const codePointAt = uncurry(String.prototype.codePointAt);
  const isWellFormed = uncurry(String.prototype.isWellFormed);
  const toWellFormed = uncurry(String.prototype.toWellFormed);
  const lower = uncurry(String.prototype.toLowerCase);
  const replace = uncurry(String.prototype.replace);
  const slice = uncurry(String.prototype.slice);
  const set = uncurry(Uint8Array.prototype.set);
  const subarray = uncurry(Uint8Array.prototype.subarray);
  const fromCharCode = String.fromCharCode;
  const apply = Reflect.apply;

  class TextEncoder {
    get encoding() {
      return 'utf-8';
    }
    encode(input = '') {
      return native.utf8Encode(text(input));
    }
    encodeInto(source, destination) {
      need(arguments, 2, 'TextEncoder.encodeInto');
      const s = text(source);
      if (typedTag(destination) !== 'Uint8Array')
        throw new TypeError('TextEncoder.encodeInto writes to a Uint8Array only');
      const room = destination.length;
      let read = 0;
      let written = 0;
      while (read < s.length) {
        const c = codePointAt(s, read);
        if (c < 0x80) {
          if (written + 1 > room) break;
          destination[written++] = c;
        } else if (c < 0x800) {
          if (written + 2 > room) break;
          destination[written++] = 0xc0 | (c >> 6);
          destination[written++] = 0x80 | (c & 0x3f);
        } else if (c < 0x10000) {
          if (written + 3 > room) break;
          destination[written++] = 0xe0 | (c >> 12);
          destination[written++] = 0x80 | ((c >> 6) & 0x3f);
          destination[written++] = 0x80 | (c & 0x3f);
        } else {
          if (written + 4 > room) break;
          destination[written++] = 0xf0 | (c >> 18);
          destination[written++] = 0x80 | ((c >> 12) & 0x3f);
          destination[written++] = 0x80 | ((c >> 6) & 0x3f);
          destination[written++] = 0x80 | (c & 0x3f);
          read++;
        }
        read++;
      }
      return { read, written };
    }
  }
  declare(TextEncoder);

  const labels = new Map();
  const name = (encoding, ...all) => {
    for (const label of all) labels.set(label, encoding);
  };
  name('utf-8', 'unicode-1-1-utf-8', 'unicode11utf8', 'unicode20utf8', 'utf-8', 'utf8', 'x-unicode20utf8');
  name('utf-16le', 'csunicode', 'iso-10646-ucs-2', 'ucs-2', 'unicode', 'unicodefeff', 'utf-16', 'utf-16le');
  name(
    'windows-1252',
    'ansi_x3.4-1968',
    'ascii',
    'cp1252',
    'cp819',
    'csisolatin1',
    'ibm819',
    'iso-8859-1',
    'iso-ir-100',
    'iso8859-1',
    'iso88591',
    'iso_8859-1',
    'iso_8859-1:1987',
    'l1',
    'latin1',
    'us-ascii',
    'windows-1252',
    'x-cp1252',
  );
  const encodingOf = uncurry(Map.prototype.get);

  // What windows-1252 makes of the bytes 0x80 to 0x9f.
  const windows1252 = [
    0x20ac, 0x81, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160, 0x2039, 0x0152, 0x8d, 0x017d,
    0x8f, 0x90, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0x9d,
    0x017e, 0x0178,
  ];

  // string makes a string of n code units in pieces, because a call takes only so many arguments.
  const piece = 8192;
  const string = (n, unit) => {
    let s = '';
    for (let at = 0; at < n; at += piece) {
      const units = [];
      const end = at + piece < n ? at + piece : n;
      for (let i = at; i < end; i++) units[i - at] = unit(i);
      s += apply(fromCharCode, undefined, units);
    }
    return s;
  };

  // unfinished is how many bytes at the end of b begin a UTF-8 sequence that more bytes can complete.
  const unfinished = (b) => {
    const n = b.length;
    for (let back = 1; back <= 3 && back <= n; back++) {
      const c = b[n - back];
      if ((c & 0xc0) === 0x80) continue;
      const length = c >= 0xf0 && c <= 0xf4 ? 4 : c >= 0xe0 && c < 0xf0 ? 3 : c >= 0xc2 && c < 0xe0 ? 2 : 1;
      if (length <= back) return 0;
      if (back > 1) {
        const second = b[n - back + 1];
        const low = c === 0xe0 ? 0xa0 : c === 0xf0 ? 0x90 : 0x80;
        const high = c === 0xed ? 0x9f : c === 0xf4 ? 0x8f : 0xbf;
        if (second < low || second > high) return 0;
      }
      return back;
    }
    return 0;
  };

  class TextDecoder {
    #encoding;
    #fatal;
    #ignoreBOM;
    #kept = undefined; // bytes of the last call that are not a whole character yet
    #begun = false; // whether the place of a byte order mark has passed
    constructor(label = 'utf-8', options = undefined) {
      const asked = `${label}`;
      this.#encoding = encodingOf(labels, lower(replace(asked, /^[\t\n\f\r ]+|[\t\n\f\r ]+$/g, '')));
      if (this.#encoding === undefined) {
        throw new RangeError(
          `TextDecoder does not know the encoding "${asked}"; it knows utf-8, utf-16le and windows-1252 (latin1)`,
        );
      }
      const o = dictionary(options, 'the options of TextDecoder');
      this.#fatal = !!o.fatal;
      this.#ignoreBOM = !!o.ignoreBOM;
    }
    get encoding() {
      return this.#encoding;
    }
    get fatal() {
      return this.#fatal;
    }
    get ignoreBOM() {
      return this.#ignoreBOM;
    }
    decode(input = undefined, options = undefined) {
      let b = input === undefined ? new Uint8Array(0) : bytes(input);
      if (b === undefined) throw new TypeError('TextDecoder.decode needs an ArrayBuffer or a view of one');
      const stream = !!dictionary(options, 'the options of TextDecoder.decode').stream;
      if (this.#kept !== undefined) {
        const whole = new Uint8Array(this.#kept.length + b.length);
        set(whole, this.#kept);
        set(whole, b, this.#kept.length);
        b = whole;
        this.#kept = undefined;
      }
      const begun = this.#begun;
      this.#begun = false;
      let s;
      if (this.#encoding === 'windows-1252')
        return string(b.length, (i) => (b[i] >= 0x80 && b[i] < 0xa0 ? windows1252[b[i] - 0x80] : b[i]));
      if (this.#encoding === 'utf-8') {
        if (stream) b = this.#keep(b, unfinished(b));
        s = native.utf8Decode(b, this.#fatal);
      } else {
        s = this.#utf16(b, stream);
      }
      if (stream) this.#begun = begun || s.length > 0;
      return !begun && !this.#ignoreBOM && s.length > 0 && charCodeAt(s, 0) === 0xfeff ? slice(s, 1) : s;
    }
    // keep takes the last n bytes away for the next call.
    #keep(b, n) {
      if (n === 0) return b;
      this.#kept = new Uint8Array(subarray(b, b.length - n));
      return subarray(b, 0, b.length - n);
    }
    #utf16(b, stream) {
      if (stream) {
        let n = b.length % 2;
        const last = b.length - n - 2;
        if (last >= 0 && (b[last + 1] & 0xfc) === 0xd8) n += 2; // a high surrogate
        b = this.#keep(b, n);
      }
      let s = string(b.length >> 1, (i) => b[2 * i] | (b[2 * i + 1] << 8));
      if (b.length % 2 === 1) {
        // A byte that lacks its other half is malformed, and so is a high surrogate before it: together once.
        const high = s.length > 0 && (charCodeAt(s, s.length - 1) & 0xfc00) === 0xd800;
        s = high ? s : s + '\ud800';
      }
      if (this.#fatal && !isWellFormed(s)) throw new TypeError('the data is not valid utf-16le');
      return toWellFormed(s);
    }
  }
  declare(TextDecoder);
  web.platform.push((v) => v instanceof TextEncoder || v instanceof TextDecoder);

  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
  const values = new Int8Array(256).fill(-1);
  for (let i = 0; i < 64; i++) values[alphabet.charCodeAt(i)] = i;

  expose({
    atob(data) {
      need(arguments, 1, 'atob');
      let s = replace(`${data}`, /[\t\n\f\r ]+/g, '');
      if (s.length % 4 === 0) s = replace(s, /={1,2}$/, '');
      const bad = () => refuse('InvalidCharacterError', 'the string to be decoded is not correctly encoded base64');
      if (s.length % 4 === 1) bad();
      const out = new Uint8Array((s.length * 3) >> 2);
      let n = 0;
      let bits = 0;
      for (let i = 0; i < s.length; i++) {
        const c = charCodeAt(s, i);
        const v = c < 256 ? values[c] : -1;
        if (v < 0) bad();
        bits = ((bits << 6) | v) & 0xffffff;
        if (i % 4 > 0) out[n++] = bits >> (6 - 2 * (i % 4));
      }
      return string(n, (i) => out[i]);
    },
    btoa(data) {
      need(arguments, 1, 'btoa');
      const s = `${data}`;
      const at = (i) => {
        const c = charCodeAt(s, i);
        if (c > 0xff) refuse('InvalidCharacterError', 'the string to be encoded contains characters beyond U+00FF');
        return c;
      };
      let out = '';
      let i = 0;
      for (; i + 2 < s.length; i += 3) {
        const n = (at(i) << 16) | (at(i + 1) << 8) | at(i + 2);
        out += alphabet[n >> 18] + alphabet[(n >> 12) & 63] + alphabet[(n >> 6) & 63] + alphabet[n & 63];
      }
      if (i + 1 === s.length) {
        const n = at(i) << 16;
        out += `${alphabet[n >> 18]}${alphabet[(n >> 12) & 63]}==`;
      } else if (i + 2 === s.length) {
        const n = (at(i) << 16) | (at(i + 1) << 8);
        out += `${alphabet[n >> 18]}${alphabet[(n >> 12) & 63]}${alphabet[(n >> 6) & 63]}=`;
      }
      return out;
    },
  });
}
