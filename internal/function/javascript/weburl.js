// URL (URL Standard). Parsing and the setters are native.
(native, web) => {
  'use strict';

  const { declare, inspect, need, platform, text, uncurry } = web;
  const parseJSON = JSON.parse;
  const slice = uncurry(String.prototype.slice);

  const query = (record) => (record.search === '' ? '' : slice(record.search, 1));

  // notURL is the error for what cannot be parsed.
  const notURL = (input, base) => {
    if (input.length > 16384) return new TypeError('invalid URL: it has more than 16384 bytes');
    return new TypeError(`invalid URL: "${input}"${base === undefined ? '' : ` with the base "${base}"`}`);
  };

  class URL {
    #record;
    #params = undefined;
    constructor(url, base = undefined) {
      need(arguments, 1, 'URL');
      const input = text(url);
      const against = base === undefined ? undefined : text(base);
      const found = native.parseURL(input, against);
      if (found === undefined) throw notURL(input, against);
      this.#record = parseJSON(found);
    }
    static canParse(url, base = undefined) {
      need(arguments, 1, 'URL.canParse');
      return native.parseURL(text(url), base === undefined ? undefined : text(base)) !== undefined;
    }
    static parse(url, base = undefined) {
      need(arguments, 1, 'URL.parse');
      const input = text(url);
      const against = base === undefined ? undefined : text(base);
      return native.parseURL(input, against) === undefined ? null : new URL(input, against);
    }
    get href() {
      return this.#record.href;
    }
    set href(v) {
      const input = text(v);
      const found = native.parseURL(input, undefined);
      if (found === undefined) throw notURL(input);
      this.#record = parseJSON(found);
      this.#reload();
    }
    get origin() {
      return this.#record.origin;
    }
    get protocol() {
      return this.#record.protocol;
    }
    set protocol(v) {
      this.#set('protocol', v);
    }
    get username() {
      return this.#record.username;
    }
    set username(v) {
      this.#set('username', v);
    }
    get password() {
      return this.#record.password;
    }
    set password(v) {
      this.#set('password', v);
    }
    get host() {
      return this.#record.host;
    }
    set host(v) {
      this.#set('host', v);
    }
    get hostname() {
      return this.#record.hostname;
    }
    set hostname(v) {
      this.#set('hostname', v);
    }
    get port() {
      return this.#record.port;
    }
    set port(v) {
      this.#set('port', v);
    }
    get pathname() {
      return this.#record.pathname;
    }
    set pathname(v) {
      this.#set('pathname', v);
    }
    get search() {
      return this.#record.search;
    }
    set search(v) {
      this.#set('search', v);
      this.#reload();
    }
    get searchParams() {
      return (this.#params ??= web.paramsOf(this, query(this.#record)));
    }
    get hash() {
      return this.#record.hash;
    }
    set hash(v) {
      this.#set('hash', v);
    }
    toString() {
      return this.#record.href;
    }
    toJSON() {
      return this.#record.href;
    }
    #set(property, v) {
      const changed = native.setURL(this.#record.href, property, text(v));
      if (changed !== undefined) this.#record = parseJSON(changed);
    }
    #reload() {
      if (this.#params !== undefined) web.reload(this.#params, query(this.#record));
    }
    static {
      web.setSearch = (url, search) => url.#set('search', search);
      platform.push((v) => #record in v);
    }
  }
  declare(URL);
  inspect(URL, (u) => u.href);

  // parseURL is the record of a URL, and undefined for what is none.
  web.parseURL = (url) => {
    const found = native.parseURL(text(url), undefined);
    return found === undefined ? undefined : parseJSON(found);
  };
}
