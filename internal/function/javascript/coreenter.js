// The one way in, and what the other scripts are given.

function enter() {
  head[STATUS] = PENDING;
  try {
    switch (head[OP]) {
      case OP_CALL:
        call();
        break;
      case OP_TIMER:
        runTimer();
        break;
      case OP_COMPLETE:
        complete();
        break;
      case OP_RESIZE:
        resize(head[NEED]);
        break;
      case OP_GC:
        collect();
        break;
    }
  } catch (e) {
    fail(e);
  }
}

// Bytes of text that are the caller's.
function utf8Encode(text) {
  busy();
  ensure(3 * text.length);
  return take(0, putText(0, text));
}

function utf8Decode(bytes, fatal) {
  busy();
  const size = sizeOf(bytes);
  ensure(size);
  put(0, bytes);
  if (!fatal && size <= SHORT) return takeText(0, size);
  head[A] = 0;
  head[B] = size;
  head[C] = fatal ? 1 : 0;
  const text = host.decode();
  if (text === undefined) throw new TypeError('The encoded data was not valid UTF-8');
  return text;
}

function random(size) {
  busy();
  ensure(size);
  head[A] = size;
  host.random();
  return take(0, size);
}

// Takes the user's function, or returns what there is instead of one.
function adopt(value) {
  fn = value;
  if (typeof value !== 'function') return value === null ? 'null' : typeof value;
  if (isClass(value)) return 'a class, which cannot be called';
  const kind = getPrototypeOf(value);
  if (kind === generators[0] || kind === generators[1]) return 'a generator function, which returns an iterator and no reply';
  return '';
}

// The text of a class alone begins with this word as a whole: a parameter may be named classes, and a
// method class.
function isClass(f) {
  const text = apply(functionText, f, []);
  if (apply(slice, text, [0, 5]) !== 'class') return false;
  const next = text[5];
  return next === '{' || next === '/' || next <= ' ';
}

// Ends loading: what it has left is dropped, as after a call.
function loaded() {
  dropTimers();
  dropRequests();
  settled = true;
}

function hide() {
  delete globalThis.__nexCollect;
  delete globalThis.SharedArrayBuffer;
  delete globalThis.Atomics;
}

const native = {
  __proto__: null,
  utf8Encode,
  utf8Decode,
  random,
  now,
  parseURL: host.parseURL,
  setURL: host.setURL,
  request,
  requestSync,
  setTimer: (action, ms) => setTimer(action, ms, false),
  setInterval: (action, ms) => setTimer(action, ms, true),
  clearTimer,
  inspectSymbol: Symbol('inspect'),
  bytesOf,
  part,
  headersOf,
  HostServiceError,
  print: host.print,
  environment: host.environment,
};

resize(host.mailbox);
return { enter, native, adopt, loaded, hide };
