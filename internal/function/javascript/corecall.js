// One call of the user's function.

let fn; // the user's function
let serial = 0; // counts the calls, so that a promise of an earlier one cannot settle this one
let settled = false; // loading may use the mailbox as a call may
let subject = '';

function call() {
  serial++;
  settled = false;
  dropTimers();
  dropRequests();
  native.endPrinting();
  const idSize = head[A], subjectSize = head[B], headerSize = head[C], payloadSize = head[D];
  const deadline = clock[DEADLINE];
  let at = idSize;
  const payload = take(idSize + (subjectSize < 0 ? 0 : subjectSize) + headerSize, payloadSize);
  const id = takeText(0, idSize);
  if (subjectSize >= 0) {
    subject = takeText(at, subjectSize);
    at += subjectSize;
  }
  const headers = headerSize > 0 ? parse(takeText(at, headerSize)) : {};
  const value = apply(fn, globalThis, [subject, payload, { headers, subject, id, deadline }]);
  if (isThenable(value)) {
    settle(value, serial);
  } else {
    finish(value);
  }
}

// Whether the result is to be awaited. A promise is known without a look at what it inherits.
function isThenable(value) {
  if (value === null || (typeof value !== 'object' && typeof value !== 'function')) return false;
  return getPrototypeOf(value) === promisePrototype || typeof value.then === 'function';
}

async function settle(promise, mine) {
  try {
    const value = await promise;
    if (mine === serial && !settled) finish(value);
  } catch (e) {
    if (mine === serial && !settled) fail(e);
  }
}
