// The bodies of Request and Response (Fetch Standard). They are bytes that are there as a whole: there
// are no streams, and no Blob and FormData.
(native, web) => {
  'use strict';

  const { bytes, isObject, text, uncurry } = web;
  const { defineProperty, getOwnPropertyDescriptor } = Object;
  const parseJSON = JSON.parse;
  const charCodeAt = uncurry(String.prototype.charCodeAt);
  const slice = uncurry(String.prototype.slice);
  const bytesSlice = uncurry(Uint8Array.prototype.slice);
  const formText = uncurry(URLSearchParams.prototype.toString);

  // extract makes the bytes of a body, and the content type that goes with its kind.
  const extract = (v) => {
    if (isObject(v)) {
      const b = bytes(v);
      if (b !== undefined) return { content: bytesSlice(b), type: undefined };
      if (web.isURLSearchParams(v)) {
        return { content: native.utf8Encode(formText(v)), type: 'application/x-www-form-urlencoded;charset=UTF-8' };
      }
    }
    return { content: native.utf8Encode(text(v)), type: 'text/plain;charset=UTF-8' };
  };

  const decodeText = (b) => {
    const s = native.utf8Decode(b, false);
    return s.length > 0 && charCodeAt(s, 0) === 0xfeff ? slice(s, 1) : s;
  };

  // Body is what Request and Response have in common. Its content is never changed, only copied or,
  // if nobody shares it, given away.
  let content, setContent, take, share;
  class Body {
    #content = null;
    #used = false;
    #shared = false;
    // There are no streams to give: a body is read with the methods.
    get body() {
      return null;
    }
    get bodyUsed() {
      return this.#used;
    }
    // These are async so that every failure, also that of a wrong receiver, is a rejection.
    async arrayBuffer() {
      const b = this.#take();
      return b.byteLength === b.buffer.byteLength ? b.buffer : bytesSlice(b).buffer;
    }
    async bytes() {
      return this.#take();
    }
    async json() {
      return parseJSON(decodeText(this.#take()));
    }
    async text() {
      return decodeText(this.#take());
    }
    #take() {
      if (this.#used) throw new TypeError('the body has been read already; use clone() before the first reading');
      if (this.#content === null) return new Uint8Array(0);
      this.#used = true;
      const b = this.#content;
      this.#content = new Uint8Array(0);
      return this.#shared ? bytesSlice(b) : b;
    }
    static {
      content = (o) => o.#content;
      setContent = (o, c) => {
        o.#content = c;
      };
      take = (o) => o.#take();
      // share gives another object the same body.
      share = (from, to) => {
        if (from.#used) throw new TypeError('a body that has been read cannot be cloned');
        to.#content = from.#content;
        from.#shared = to.#shared = true;
      };
      web.platform.push((v) => #content in v);
    }
  }

  // mixIn gives a class the members of Body as its own, as if it were not a class in between.
  const mixIn = (C) => {
    for (const name of ['body', 'bodyUsed', 'arrayBuffer', 'bytes', 'json', 'text']) {
      defineProperty(C.prototype, name, getOwnPropertyDescriptor(Body.prototype, name));
    }
  };

  // setBody gives an object a body, and its headers the type if they have none.
  const setBody = (o, v) => {
    const body = extract(v);
    setContent(o, body.content);
    if (body.type !== undefined && !o.headers.has('content-type')) o.headers.append('content-type', body.type);
  };

  Object.assign(web, { Body, content, mixIn, setBody, setContent, share, take });
}
