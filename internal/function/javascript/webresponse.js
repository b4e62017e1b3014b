// Response (Fetch Standard).
(native, web) => {
  'use strict';

  const { Body, declare, dictionary, headersOf, headerValues, inspect, mixIn, need, setBody, share, uncurry } = web;
  const { Headers } = globalThis;
  const { stringify } = JSON;
  const { trunc } = Math;
  const test = uncurry(RegExp.prototype.test);

  const nullBody = (status) => status === 101 || status === 103 || status === 204 || status === 205 || status === 304;

  // integer converts a status as an unsigned short.
  const integer = (v) => trunc(+v) & 0xffff;

  let responseOf;
  class Response extends Body {
    #type = 'default';
    #url = '';
    #redirected = false;
    #status = 200;
    #statusText = '';
    #headers;
    constructor(body = null, init = undefined) {
      super();
      this.#initialize(init);
      if (body === null || body === undefined) return;
      if (nullBody(this.#status)) throw new TypeError(`a response with the status ${this.#status} cannot have a body`);
      setBody(this, body);
    }
    #initialize(init) {
      const o = dictionary(init, 'the options of Response');
      if (o.status !== undefined) {
        this.#status = integer(o.status);
        if (this.#status < 200 || this.#status > 599)
          throw new RangeError(`the status of a response must be 200 to 599, not ${o.status}`);
      }
      if (o.statusText !== undefined) {
        this.#statusText = `${o.statusText}`;
        if (!test(/^[\t\x20-\x7e\x80-\xff]*$/, this.#statusText))
          throw new TypeError('the option statusText has a character that it cannot have');
      }
      this.#headers = new Headers(o.headers);
    }
    static error() {
      return responseOf({ type: 'error', status: 0, statusText: '', url: '', redirected: false, headers: {} });
    }
    static json(data, init = undefined) {
      need(arguments, 1, 'Response.json');
      const s = stringify(data);
      if (s === undefined) throw new TypeError('the data of Response.json cannot be written as JSON');
      const r = new Response(null, init);
      if (nullBody(r.#status)) throw new TypeError(`a response with the status ${r.#status} cannot have a body`);
      if (!r.#headers.has('content-type')) r.#headers.append('content-type', 'application/json');
      setBody(r, s);
      return r;
    }
    static redirect(url, status = 302) {
      need(arguments, 1, 'Response.redirect');
      const found = web.parseURL(url);
      if (found === undefined) throw new TypeError(`the URL of a redirect must be absolute and right: "${url}"`);
      const code = integer(status);
      if (code !== 301 && code !== 302 && code !== 303 && code !== 307 && code !== 308) {
        throw new RangeError(`the status of a redirect must be 301, 302, 303, 307 or 308, not ${status}`);
      }
      return responseOf({
        type: 'default',
        status: code,
        statusText: '',
        url: '',
        redirected: false,
        headers: { location: [found.href] },
      });
    }
    get type() {
      return this.#type;
    }
    get url() {
      return this.#url;
    }
    get redirected() {
      return this.#redirected;
    }
    get status() {
      return this.#status;
    }
    get ok() {
      return this.#status >= 200 && this.#status <= 299;
    }
    get statusText() {
      return this.#statusText;
    }
    get headers() {
      return this.#headers;
    }
    clone() {
      if (this.bodyUsed) throw new TypeError('a body that has been read cannot be cloned');
      const r = new Response();
      r.#type = this.#type;
      r.#url = this.#url;
      r.#redirected = this.#redirected;
      r.#status = this.#status;
      r.#statusText = this.#statusText;
      r.#headers = headersOf(headerValues(this.#headers), this.#type !== 'default');
      share(this, r);
      return r;
    }
    static {
      // responseOf makes a response that its constructor would not; its headers cannot be changed.
      responseOf = (from) => {
        const r = new Response();
        r.#type = from.type;
        r.#url = from.url;
        r.#redirected = from.redirected;
        r.#status = from.status;
        r.#statusText = from.statusText;
        r.#headers = headersOf(from.headers, true);
        return r;
      };
    }
  }
  mixIn(Response);
  declare(Response);
  inspect(Response, (r) => ({ status: r.status, url: r.url }));

  web.nullBody = nullBody;
  web.responseOf = responseOf;
}
