// Request (Fetch Standard).
(native, web) => {
  'use strict';

  const {
    Body,
    content,
    declare,
    dictionary,
    inspect,
    isObject,
    mixIn,
    need,
    setBody,
    setContent,
    share,
    take,
    uncurry,
  } = web;
  const { Headers } = globalThis;
  const test = uncurry(RegExp.prototype.test);
  const upper = uncurry(String.prototype.toUpperCase);
  const follow = AbortSignal.any.bind(AbortSignal);

  const methodOf = (v) => {
    const method = `${v}`;
    if (!test(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/, method)) throw new TypeError(`"${method}" is not an HTTP method`);
    const big = upper(method);
    if (test(/^(?:CONNECT|TRACE|TRACK)$/, big)) throw new TypeError(`the HTTP method ${method} is not allowed`);
    return test(/^(?:DELETE|GET|HEAD|OPTIONS|POST|PUT)$/, big) ? big : method;
  };

  const noBody = (method) => method === 'GET' || method === 'HEAD';

  class Request extends Body {
    #method = 'GET';
    #url;
    #headers;
    #redirect = 'follow';
    #signal;
    constructor(input, init = undefined) {
      need(arguments, 1, 'Request');
      super();
      const o = dictionary(init, 'the second argument of Request');
      const from = isObject(input) && #method in input ? input : undefined;
      if (from) {
        this.#url = from.#url;
        this.#method = from.#method;
        this.#redirect = from.#redirect;
      } else {
        const found = web.parseURL(input);
        if (found === undefined) throw new TypeError(`the URL of a request must be absolute and right: "${input}"`);
        if (found.username !== '' || found.password !== '') {
          throw new TypeError(
            'the URL of a request must not have a user name or password; use the header Authorization',
          );
        }
        this.#url = found.href;
      }
      if (o.method !== undefined) this.#method = methodOf(o.method);
      if (o.redirect !== undefined) {
        const redirect = `${o.redirect}`;
        if (!test(/^(?:follow|error|manual)$/, redirect))
          throw new TypeError(`the option redirect must be follow, error or manual, not "${redirect}"`);
        this.#redirect = redirect;
      }
      const signal = o.signal === undefined ? from?.#signal : o.signal;
      if (signal !== undefined && signal !== null && !web.isAbortSignal(signal))
        throw new TypeError('the option signal must be an AbortSignal');
      this.#signal = signal ? follow([signal]) : web.newSignal();
      this.#headers = new Headers(o.headers === undefined ? from?.#headers : o.headers);
      const given = o.body !== undefined && o.body !== null;
      const inherited = from !== undefined && content(from) !== null;
      if ((given || (inherited && o.body !== null)) && noBody(this.#method)) {
        throw new TypeError(`a request with the method ${this.#method} cannot have a body`);
      }
      if (given) setBody(this, o.body);
      else if (inherited) setContent(this, take(from));
    }
    get method() {
      return this.#method;
    }
    get url() {
      return this.#url;
    }
    get headers() {
      return this.#headers;
    }
    get redirect() {
      return this.#redirect;
    }
    get signal() {
      return this.#signal;
    }
    clone() {
      const r = new Request(this.#url, {
        method: this.#method,
        headers: this.#headers,
        redirect: this.#redirect,
        signal: this.#signal,
      });
      share(this, r);
      return r;
    }
  }
  mixIn(Request);
  declare(Request);
  inspect(Request, (r) => ({ method: r.method, url: r.url }));
}
