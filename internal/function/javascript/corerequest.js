// Host service requests: one at a time, for which the isolate waits, and others that are promises.

class HostServiceError extends Error {
  constructor(message, code) {
    super(message);
    this.code = code;
  }
}
defineProperty(HostServiceError.prototype, 'name', { value: 'HostServiceError', writable: true, configurable: true });

let requests = create(null); // those under way, by the id that the Go side gave them

function dropRequests() {
  requests = create(null);
}

// Puts a request into the mailbox: its JSON and, after it, its body.
function post(service, method, meta, body) {
  busy();
  const text = stringify({ __proto__: null, service, method, meta });
  const size = body === undefined ? 0 : sizeOf(body);
  ensure(3 * text.length + size);
  const textSize = putText(0, text);
  if (size > 0) put(textSize, body);
  head[A] = textSize;
  head[B] = size;
}

// Takes the answer out of the mailbox, or throws the error that it is.
function answer() {
  const metaSize = head[A], bodySize = head[B], failed = head[C] !== 0;
  const body = take(metaSize, bodySize);
  const meta = metaSize > 0 ? parse(takeText(0, metaSize)) : {};
  if (failed) throw new HostServiceError(meta.message, meta.code);
  return { meta, body };
}

function requestSync(service, method, meta, body) {
  post(service, method, meta, body);
  host.request();
  if (head[NEED] > 0) {
    // The answer did not fit; the Go side has kept it.
    ensure(head[NEED]);
    host.fill();
  }
  return answer();
}

function request(service, method, meta, body) {
  return new Promise((resolve, reject) => {
    post(service, method, meta, body);
    host.start();
    if (head[ID] === 0) answer(); // refused, which this throws
    requests[head[ID]] = { resolve, reject };
  });
}

function complete() {
  const waiting = requests[head[ID]];
  delete requests[head[ID]];
  if (waiting === undefined) return;
  let result;
  try {
    result = answer();
  } catch (e) {
    apply(waiting.reject, undefined, [e]);
    return;
  }
  apply(waiting.resolve, undefined, [result]);
}
