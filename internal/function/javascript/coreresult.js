// What a function returns, on its way to the mailbox.

const maxResult = host.maxResult;

// Writes the result that the function returned. It may be an envelope of data and headers.
function finish(value) {
  if (!isEnvelope(value)) return reply(value, '');
  const headers = value.headers === undefined ? '' : stringify(headersOf(value.headers, 'headers'));
  return reply(value.data, headers);
}

function isEnvelope(value) {
  if (value === null || typeof value !== 'object') return false;
  const prototype = getPrototypeOf(value);
  if (prototype !== objectPrototype && prototype !== null) return false;
  const keys = ownKeys(value);
  for (let i = 0; i < keys.length; i++) {
    if (keys[i] !== 'data' && keys[i] !== 'headers') return false;
  }
  return keys.length > 0;
}

// Headers as the Go side takes them: lists of strings by name.
function headersOf(headers, what) {
  if (headers === null || typeof headers !== 'object' || isArray(headers)) {
    throw new TypeError(`${what} must be an object of names and values`);
  }
  const out = create(null);
  const names = ownKeys(headers);
  for (let i = 0; i < names.length; i++) {
    const name = names[i], value = headers[name];
    if (typeof name !== 'string') continue;
    const list = setPrototypeOf([], null);
    const count = isArray(value) ? value.length : 1;
    for (let j = 0; j < count; j++) {
      const one = isArray(value) ? value[j] : value;
      if (typeof one !== 'string' && typeof one !== 'number' && typeof one !== 'boolean') {
        throw new TypeError(`the value of the header ${stringify(name)} must be a string or an array of strings`);
      }
      list[j] = String(one);
    }
    out[name] = list;
  }
  return out;
}

function reply(value, headers) {
  if (value === undefined || value === null) return deliver(0, headers);
  if (typeof value === 'string') return replyText(value, headers);
  if (typeof value === 'object') {
    const bytes = bytesOf(value);
    if (bytes !== undefined) {
      const size = sizeOf(bytes);
      if (size > maxResult) return tooLarge(size);
      ensure(size + 3 * headers.length);
      put(0, bytes);
      return deliver(size, headers);
    }
  }
  return replyText(jsonOf(value), headers);
}

function replyText(text, headers) {
  // Each unit has at least one byte, so that this needs no look at the text.
  if (text.length > maxResult) return tooLarge(text.length);
  ensure(3 * (text.length + headers.length));
  const size = putText(0, text);
  return size > maxResult ? tooLarge(size) : deliver(size, headers);
}

function deliver(size, headers) {
  const headerSize = headers === '' ? 0 : putText(size, headers);
  head[A] = size;
  head[B] = headerSize;
  head[STATUS] = DONE;
  settled = true;
}

function tooLarge(size) {
  clock[SIZE] = size;
  head[STATUS] = LARGE;
  settled = true;
}
