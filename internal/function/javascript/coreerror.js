// What a function throws, on its way to the mailbox.

// Reads a property of something the user has thrown, which may do anything.
function peek(of, name) {
  try {
    return of[name];
  } catch {
    return undefined;
  }
}

// The sentence for the caller. One that the function has chosen a code for stands for itself.
function describe(e, chosen) {
  if (typeof e === 'string') return e;
  if (e !== null && (typeof e === 'object' || typeof e === 'function')) {
    const name = peek(e, 'name'), message = peek(e, 'message');
    if (typeof message === 'string' && (message !== '' || typeof name === 'string')) {
      if (typeof name !== 'string' || name === '' || (chosen && name === 'Error' && message !== '')) return message;
      return message === '' ? name : `${name}: ${message}`;
    }
  }
  let shown = typeof e;
  try {
    shown = native.inspect(e);
  } catch {
    // It cannot be looked at; its type has to do.
  }
  return `the function threw ${shown}`;
}

function trace(e) {
  let out = '';
  for (let depth = 0; depth < 5 && e !== null && typeof e === 'object'; depth++) {
    const stack = peek(e, 'stack');
    if (typeof stack === 'string') out += (depth > 0 ? '\nCaused by: ' : '') + stack;
    e = peek(e, 'cause');
  }
  return out;
}

const MAX_TEXT = 1 << 16;
const slice = String.prototype.slice;
const cut = (text) => (text.length > MAX_TEXT ? apply(slice, text, [0, MAX_TEXT]) : text);

function fail(e) {
  let report;
  if (e === unsendable) {
    report = { __proto__: null, message: e.message, stack: '', code: 0 };
  } else {
    const code = e !== null && typeof e === 'object' ? peek(e, 'code') : 0;
    const chosen = isInteger(code) && code >= 400 && code <= 599 ? code : 0;
    report = { __proto__: null, message: cut(describe(e, chosen !== 0)), stack: cut(trace(e)), code: chosen };
  }
  const text = stringify(report);
  ensure(3 * text.length);
  head[A] = putText(0, text);
  head[STATUS] = FAILED;
  settled = true;
}
