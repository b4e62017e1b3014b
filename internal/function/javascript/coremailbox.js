// The mailbox: memory that is shared with the Go side. mailbox.go has the same layout.

const OP = 0, STATUS = 1, A = 2, B = 3, C = 4, D = 5, NEED = 6, ID = 7;
const NOW = 0, NEXT = 1, DEADLINE = 2, SIZE = 3;
const DATA = 64;
const OP_CALL = 1, OP_TIMER = 2, OP_COMPLETE = 3, OP_RESIZE = 4, OP_GC = 5;
const PENDING = 0, DONE = 1, FAILED = 2, LARGE = 3;

let box, head, clock, data, capacity;

function resize(size) {
  box = new SharedArrayBuffer(DATA + size);
  head = new Ints(box, 0, 8);
  clock = new Floats(box, 32, 4);
  data = new Bytes(box, DATA);
  capacity = size;
  clock[NEXT] = timers.length > 0 ? timers[0].due : Infinity;
  host.attach(box);
}

// Makes the mailbox hold so many bytes. What it held is lost if it was smaller.
function ensure(size) {
  if (size <= capacity) return;
  let most = capacity;
  while (most < size) most *= 2;
  resize(most);
}

// Bytes of the mailbox, as an array that belongs to the caller.
function take(from, size) {
  const out = new Bytes(size);
  if (size <= 64) {
    for (let i = 0; i < size; i++) out[i] = data[from + i];
  } else {
    apply(setBytes, out, [new Bytes(box, DATA + from, size)]);
  }
  return out;
}

function put(at, bytes) {
  apply(setBytes, data, [bytes, at]);
}

// What is longer goes through the Go side, which has the better loop but must be reached first.
const SHORT = 512;

// UTF-8 in the mailbox as a string.
function takeText(from, size) {
  if (size <= SHORT) {
    let text = '';
    let i = from;
    for (const end = from + size; i < end; i++) {
      const c = data[i];
      if (c > 0x7f) break;
      text += fromCharCode(c);
    }
    if (i === from + size) return text;
  }
  head[A] = from;
  head[B] = size;
  head[C] = 0;
  return host.decode();
}

// Writes a string as UTF-8 and returns its length. The mailbox must have room for three bytes for
// each of its units.
function putText(at, text) {
  const n = text.length;
  if (n > SHORT) {
    head[A] = at;
    host.encode(text);
    return head[B];
  }
  let o = at;
  for (let i = 0; i < n; i++) {
    let c = apply(charCodeAt, text, [i]);
    if (c < 0x80) {
      data[o++] = c;
      continue;
    }
    if (c < 0x800) {
      data[o++] = 0xc0 | (c >> 6);
      data[o++] = 0x80 | (c & 0x3f);
      continue;
    }
    if (c >= 0xd800 && c <= 0xdfff) {
      const low = c < 0xdc00 && i + 1 < n ? apply(charCodeAt, text, [i + 1]) : 0;
      if (low >= 0xdc00 && low <= 0xdfff) {
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
        i++;
        data[o++] = 0xf0 | (c >> 18);
        data[o++] = 0x80 | ((c >> 12) & 0x3f);
        data[o++] = 0x80 | ((c >> 6) & 0x3f);
        data[o++] = 0x80 | (c & 0x3f);
        continue;
      }
      c = 0xfffd; // half of a pair
    }
    data[o++] = 0xe0 | (c >> 12);
    data[o++] = 0x80 | ((c >> 6) & 0x3f);
    data[o++] = 0x80 | (c & 0x3f);
  }
  return o - at;
}

// Guards what uses the mailbox: once it holds the result of the call, what the function left behind
// must not write over it.
function busy() {
  if (settled) throw new Error('the call has ended');
}

// A copy of some of the bytes.
function part(bytes, from, size) {
  const out = new Bytes(size);
  apply(setBytes, out, [new Bytes(apply(typed.buffer, bytes, []), apply(typed.offset, bytes, []) + from, size)]);
  return out;
}

// The bytes of an ArrayBuffer or a view as a Uint8Array of the same memory, or undefined.
function bytesOf(value) {
  if (isView(value)) {
    const kind = apply(kindOf, value, []);
    if (kind === 'Uint8Array') return value; // V8 makes a small one's buffer when it is asked for
    const of = kind === undefined ? view : typed;
    return new Bytes(apply(of.buffer, value, []), apply(of.offset, value, []), apply(of.size, value, []));
  }
  const prototype = getPrototypeOf(value);
  if (prototype === objectPrototype || prototype === arrayPrototype || prototype === null) return undefined;
  try {
    apply(bufferSize, value, []);
  } catch {
    return undefined;
  }
  return new Bytes(value);
}
