// The global object hostServices: what a function may ask of its node. Each method is made once, of what
// it asks for and what it makes of the answer, and is there in two forms: one that waits, and one, under
// hostServices.promises, that is a promise.
(native) => {
  'use strict';

  const { apply, ownKeys, defineProperty } = Reflect;
  const { String, TypeError, encodeURIComponent } = globalThis;
  const { stringify, parse } = JSON;
  const { create } = Object;
  const { isArray } = Array;
  const { round } = Math;
  const { request, requestSync, bytesOf, part, headersOf, utf8Encode, utf8Decode, HostServiceError } = native;
  const { toLowerCase, indexOf, slice } = String.prototype;

  const expose = (name, value) => {
    defineProperty(globalThis, name, { value, writable: true, enumerable: false, configurable: true });
  };

  const bytes = (value, what) => {
    if (value === undefined || value === null) return undefined;
    if (typeof value === 'string') return utf8Encode(value);
    if (typeof value === 'object') {
      const same = bytesOf(value);
      if (same !== undefined) return same;
    }
    const text = stringify(value);
    if (text === undefined) throw new TypeError(`${what} must be bytes, a string, or something that JSON can carry`);
    return utf8Encode(text);
  };

  const name = (value, what) => {
    if (typeof value !== 'string') throw new TypeError(`${what} must be a string`);
    return value;
  };

  const milliseconds = (value, what) => {
    if (value === undefined) return undefined;
    if (typeof value !== 'number' || !(value > 0)) throw new TypeError(`${what} must be a number of milliseconds above 0`);
    return value > 0x7fffffff ? 0x7fffffff : value < 1 ? 1 : round(value);
  };

  const count = (value, what) => {
    if (value === undefined) return undefined;
    if (typeof value !== 'number' || !(value >= 1)) throw new TypeError(`${what} must be a number above 0`);
    return round(value);
  };

  const optionsOf = (value) => {
    if (value === undefined || value === null) return create(null);
    if (typeof value !== 'object') throw new TypeError('the options must be an object');
    return value;
  };

  const nothing = () => undefined;
  const content = (answer) => answer.body;

  const key = (k) => ({ __proto__: null, meta: { __proto__: null, key: name(k, 'the key') }, body: undefined });
  const object = (n) => ({ __proto__: null, meta: { __proto__: null, name: name(n, 'the name of the object') }, body: undefined });
  const withBody = (r, value, what) => {
    r.body = bytes(value, what);
    return r;
  };

  const message = (subject, data, options) => {
    const o = optionsOf(options);
    const headers = o.headers;
    const meta = {
      __proto__: null,
      subject: name(subject, 'the subject'),
      headers: headers === undefined || headers === null ? undefined : headersOf(headers, 'headers'),
      timeout_ms: milliseconds(o.timeout, 'timeout'),
    };
    return { __proto__: null, meta, body: bytes(data, 'the message') };
  };

  const many = (subject, data, options) => {
    const o = optionsOf(options);
    const r = message(subject, data, options);
    r.meta.max_messages = count(o.maxMessages, 'maxMessages');
    r.meta.stall_ms = milliseconds(o.stall, 'stall');
    r.meta.sentinel = o.sentinel ? true : undefined;
    return r;
  };

  const messages = (answer) => {
    const list = answer.meta.messages || [];
    let at = 0;
    for (let i = 0; i < list.length; i++) {
      const m = list[i];
      list[i] = { subject: m.subject, headers: m.headers || {}, data: part(answer.body, at, m.size) };
      at += m.size;
    }
    return list;
  };

  // ---- HTTP.

  const query = (url, fields) => {
    if (fields === undefined || fields === null) return url;
    if (typeof fields !== 'object') throw new TypeError('query must be an object');
    let text = '';
    const names = ownKeys(fields);
    for (let i = 0; i < names.length; i++) {
      if (typeof names[i] !== 'string') continue;
      const value = fields[names[i]];
      const n = isArray(value) ? value.length : 1;
      for (let j = 0; j < n; j++) {
        text += `${text === '' ? '' : '&'}${encodeURIComponent(names[i])}=${encodeURIComponent(String(isArray(value) ? value[j] : value))}`;
      }
    }
    if (text === '') return url;
    const hash = apply(indexOf, url, ['#']);
    const end = hash < 0 ? '' : apply(slice, url, [hash]);
    const start = hash < 0 ? url : apply(slice, url, [0, hash]);
    return `${start}${apply(indexOf, start, ['?']) < 0 ? '?' : '&'}${text}${end}`;
  };

  const isPlain = (value) => value !== undefined && value !== null && typeof value !== 'string' && !(typeof value === 'object' && bytesOf(value) !== undefined);

  const hasHeader = (headers, wanted) => {
    const names = ownKeys(headers);
    for (let i = 0; i < names.length; i++) {
      if (typeof names[i] === 'string' && apply(toLowerCase, names[i], []) === wanted) return true;
    }
    return false;
  };

  const exchange = (method, url, data, options) => {
    const o = optionsOf(options);
    const given = o.headers;
    const headers = given === undefined || given === null ? create(null) : headersOf(given, 'headers');
    if (isPlain(data) && !hasHeader(headers, 'content-type')) headers['Content-Type'] = ['application/json'];
    const meta = {
      __proto__: null,
      method,
      url: query(name(url, 'the URL'), o.query),
      headers,
      timeout_ms: milliseconds(o.timeout, 'timeout'),
    };
    return { __proto__: null, meta, body: bytes(data, 'the body') };
  };

  const response = (answer) => {
    const headers = {};
    const from = answer.meta.headers || {};
    const names = ownKeys(from);
    for (let i = 0; i < names.length; i++) {
      const values = from[names[i]];
      let text = '';
      for (let j = 0; j < values.length; j++) text += (j > 0 ? ', ' : '') + values[j];
      defineProperty(headers, apply(toLowerCase, names[i], []), { value: text, writable: true, enumerable: true, configurable: true });
    }
    const out = { status: answer.meta.status, headers, response: answer.body };
    defineProperty(out, 'text', { value: () => utf8Decode(answer.body, false), writable: true, configurable: true });
    defineProperty(out, 'json', { value: () => parse(utf8Decode(answer.body, false)), writable: true, configurable: true });
    return out;
  };

  // The methods that usually have no body take their options in its place, too.
  const bare = (method) => (url, data, options) => {
    const inPlace = options === undefined && isPlain(data) && typeof data === 'object';
    return inPlace ? exchange(method, url, undefined, data) : exchange(method, url, data, options);
  };
  const full = (method) => (url, data, options) => exchange(method, url, data, options);
  const free = (url, options) => {
    const o = optionsOf(options);
    return exchange(o.method === undefined ? 'GET' : name(o.method, 'the method'), url, o.body, o);
  };

  // ---- The tree.

  const missing = (e) => {
    if (e instanceof HostServiceError && e.code === 'not_found') return null;
    throw e;
  };
  const thrown = (e) => {
    throw e;
  };

  // A method of a service: ask makes the request of the arguments, read the value of the answer, and
  // rescue the value of a failure.
  const define = (sync, async, path, service, method, ask, read, rescue) => {
    sync[path] = function (...args) {
      const r = apply(ask, undefined, args);
      let answer;
      try {
        answer = requestSync(service, method, r.meta, r.body);
      } catch (e) {
        return rescue(e);
      }
      return read(answer);
    };
    async[path] = async function (...args) {
      const r = apply(ask, undefined, args);
      let answer;
      try {
        answer = await request(service, method, r.meta, r.body);
      } catch (e) {
        return rescue(e);
      }
      return read(answer);
    };
    defineProperty(sync[path], 'name', { value: path });
    defineProperty(async[path], 'name', { value: path });
  };

  const none = () => ({ __proto__: null, meta: undefined, body: undefined });
  const hostServices = { kv: {}, objectStore: {}, messaging: {}, http: {} };
  const promises = { kv: {}, objectStore: {}, messaging: {}, http: {} };
  const kv = (path, ask, read, rescue) => define(hostServices.kv, promises.kv, path, 'kv', path, ask, read, rescue);
  const store = (path, ask, read, rescue) => define(hostServices.objectStore, promises.objectStore, path, 'objectstore', path, ask, read, rescue);
  const messaging = (path, method, ask, read) => define(hostServices.messaging, promises.messaging, path, 'messaging', method, ask, read, thrown);
  const http = (path, ask) => define(hostServices.http, promises.http, path, 'http', 'request', ask, response, thrown);

  kv('get', key, content, missing);
  kv('set', (k, value) => withBody(key(k), value, 'the value'), nothing, thrown);
  kv('delete', key, nothing, thrown);
  kv('keys', none, (answer) => answer.meta.keys || [], thrown);

  store('get', object, content, missing);
  store('put', (n, value) => withBody(object(n), value, 'the content'), (answer) => answer.meta, thrown);
  store('delete', object, nothing, thrown);
  store('list', none, (answer) => answer.meta.objects || [], thrown);

  messaging('publish', 'publish', message, nothing);
  messaging('request', 'request', message, content);
  messaging('requestMany', 'request_many', many, messages);

  http('get', bare('GET'));
  http('head', bare('HEAD'));
  http('options', bare('OPTIONS'));
  http('post', full('POST'));
  http('put', full('PUT'));
  http('patch', full('PATCH'));
  http('delete', bare('DELETE'));
  http('del', bare('DELETE'));
  http('request', free);

  hostServices.promises = promises;
  expose('hostServices', hostServices);
  expose('HostServiceError', HostServiceError);
}
