// URLSearchParams (URL Standard).
(native, web) => {
  'use strict';

  const { declare, inspect, isObject, iterable, need, pairs, text, uncurry } = web;
  const encodeComponent = encodeURIComponent;
  const decodeComponent = decodeURIComponent;
  const charCodeAt = uncurry(String.prototype.charCodeAt);
  const replace = uncurry(String.prototype.replace);
  const slice = uncurry(String.prototype.slice);
  const split = uncurry(String.prototype.split);
  const indexOf = uncurry(String.prototype.indexOf);
  const sort = uncurry(Array.prototype.sort);
  const subarray = uncurry(Uint8Array.prototype.subarray);

  const hexDigit = (c) =>
    c >= 48 && c <= 57 ? c - 48 : c >= 65 && c <= 70 ? c - 55 : c >= 97 && c <= 102 ? c - 87 : -1;

  // decode undoes the form encoding of a name or value. What is not an escape stays as it is.
  const decode = (s) => {
    s = replace(s, /\+/g, ' ');
    if (indexOf(s, '%') < 0) return s;
    try {
      return decodeComponent(s);
    } catch {
      const b = native.utf8Encode(s);
      let n = 0;
      for (let i = 0; i < b.length; i++) {
        const high = b[i] === 37 && i + 2 < b.length ? hexDigit(b[i + 1]) : -1;
        const low = high < 0 ? -1 : hexDigit(b[i + 2]);
        if (low < 0) {
          b[n++] = b[i];
        } else {
          b[n++] = high * 16 + low;
          i += 2;
        }
      }
      return native.utf8Decode(subarray(b, 0, n), false);
    }
  };

  const escapes = { '%20': '+', '!': '%21', "'": '%27', '(': '%28', ')': '%29', '~': '%7E' };
  const encode = (s) => replace(encodeComponent(s), /%20|[!'()~]/g, (c) => escapes[c]);

  const parse = (query) => {
    const list = [];
    if (query === '') return list;
    const parts = split(query, '&');
    for (let i = 0; i < parts.length; i++) {
      if (parts[i] === '') continue;
      const at = indexOf(parts[i], '=');
      const name = at < 0 ? parts[i] : slice(parts[i], 0, at);
      const value = at < 0 ? '' : slice(parts[i], at + 1);
      list[list.length] = [decode(name), decode(value)];
    }
    return list;
  };

  const serialize = (list) => {
    let s = '';
    for (let i = 0; i < list.length; i++) s += `${i > 0 ? '&' : ''}${encode(list[i][0])}=${encode(list[i][1])}`;
    return s;
  };

  let entries;

  class URLSearchParams {
    #list = [];
    #url = undefined;
    constructor(init = '') {
      if (isObject(init)) {
        pairs(init, 'the argument of URLSearchParams', (name, value) => {
          this.#list[this.#list.length] = [text(name), text(value)];
        });
        return;
      }
      const s = text(init);
      this.#list = parse(charCodeAt(s, 0) === 63 ? slice(s, 1) : s);
    }
    get size() {
      return this.#list.length;
    }
    append(name, value) {
      need(arguments, 2, 'URLSearchParams.append');
      this.#list[this.#list.length] = [text(name), text(value)];
      this.#update();
    }
    delete(name, value = undefined) {
      need(arguments, 1, 'URLSearchParams.delete');
      const n = text(name);
      const v = value === undefined ? undefined : text(value);
      this.#keep((pair) => pair[0] !== n || (v !== undefined && pair[1] !== v));
      this.#update();
    }
    get(name) {
      need(arguments, 1, 'URLSearchParams.get');
      const n = text(name);
      for (let i = 0; i < this.#list.length; i++) if (this.#list[i][0] === n) return this.#list[i][1];
      return null;
    }
    getAll(name) {
      need(arguments, 1, 'URLSearchParams.getAll');
      const n = text(name);
      const all = [];
      for (let i = 0; i < this.#list.length; i++) if (this.#list[i][0] === n) all[all.length] = this.#list[i][1];
      return all;
    }
    has(name, value = undefined) {
      need(arguments, 1, 'URLSearchParams.has');
      const n = text(name);
      const v = value === undefined ? undefined : text(value);
      for (let i = 0; i < this.#list.length; i++) {
        if (this.#list[i][0] === n && (v === undefined || this.#list[i][1] === v)) return true;
      }
      return false;
    }
    set(name, value) {
      need(arguments, 2, 'URLSearchParams.set');
      const n = text(name);
      const v = text(value);
      let found = false;
      this.#keep((pair) => {
        if (pair[0] !== n) return true;
        if (found) return false;
        found = true;
        pair[1] = v;
        return true;
      });
      if (!found) this.#list[this.#list.length] = [n, v];
      this.#update();
    }
    sort() {
      sort(this.#list, (a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0));
      this.#update();
    }
    toString() {
      return serialize(this.#list);
    }
    #keep(wanted) {
      const kept = [];
      for (let i = 0; i < this.#list.length; i++) if (wanted(this.#list[i])) kept[kept.length] = this.#list[i];
      this.#list = kept;
    }
    #update() {
      if (this.#url !== undefined) web.setSearch(this.#url, serialize(this.#list));
    }
    static {
      // paramsOf makes the search parameters of a URL, and reload has them follow its query.
      web.paramsOf = (url, query) => {
        const p = new URLSearchParams(query);
        p.#url = url;
        return p;
      };
      web.reload = (p, query) => {
        p.#list = parse(query);
      };
      entries = (p) => p.#list;
      web.isURLSearchParams = (v) => isObject(v) && #list in v;
    }
  }
  declare(URLSearchParams);
  iterable(URLSearchParams, (p) => entries(p));
  inspect(URLSearchParams, (p) => entries(p));
  web.platform.push(web.isURLSearchParams);
}
