// Headers (Fetch Standard).
(native, web) => {
  'use strict';

  const { declare, inspect, isObject, iterable, need, pairs, uncurry } = web;
  const charCodeAt = uncurry(String.prototype.charCodeAt);
  const lower = uncurry(String.prototype.toLowerCase);
  const replace = uncurry(String.prototype.replace);
  const test = uncurry(RegExp.prototype.test);
  const join = uncurry(Array.prototype.join);
  const sort = uncurry(Array.prototype.sort);
  const ownKeys = Reflect.ownKeys;

  const headerName = (v) => {
    const name = `${v}`;
    if (!test(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/, name)) throw new TypeError(`"${name}" is not the name of a header`);
    return lower(name);
  };

  const headerValue = (v, name) => {
    const value = replace(`${v}`, /^[\t\n\r ]+|[\t\n\r ]+$/g, '');
    for (let i = 0; i < value.length; i++) {
      const c = charCodeAt(value, i);
      if (c > 0xff || c === 0 || c === 10 || c === 13)
        throw new TypeError(`the header ${name} has a value with a character that headers cannot have`);
    }
    return value;
  };

  let fresh, values, sorted;

  class Headers {
    #values = Object.create(null); // by name in lower case, a list of values
    #sorted = undefined; // what iteration sees, until something changes
    #immutable = false;
    constructor(init = undefined) {
      if (init === undefined) return;
      if (!isObject(init)) throw new TypeError('Headers needs another Headers, a sequence of pairs, or an object');
      pairs(init, 'the argument of Headers', (name, value) => this.append(name, value));
    }
    append(name, value) {
      need(arguments, 2, 'Headers.append');
      const n = headerName(name);
      const v = headerValue(value, n);
      this.#change();
      const list = (this.#values[n] ??= []);
      list[list.length] = v;
    }
    delete(name) {
      need(arguments, 1, 'Headers.delete');
      const n = headerName(name);
      this.#change();
      delete this.#values[n];
    }
    get(name) {
      need(arguments, 1, 'Headers.get');
      const list = this.#values[headerName(name)];
      return list === undefined ? null : join(list, ', ');
    }
    getSetCookie() {
      const list = this.#values['set-cookie'];
      return list === undefined ? [] : [...list];
    }
    has(name) {
      need(arguments, 1, 'Headers.has');
      return this.#values[headerName(name)] !== undefined;
    }
    set(name, value) {
      need(arguments, 2, 'Headers.set');
      const n = headerName(name);
      const v = headerValue(value, n);
      this.#change();
      this.#values[n] = [v];
    }
    #change() {
      if (this.#immutable) throw new TypeError('these headers cannot be changed; copy them with new Headers(headers)');
      this.#sorted = undefined;
    }
    static {
      web.isHeaders = (v) => isObject(v) && #values in v;
      // fresh makes Headers that immutable ones can be of, from lists of values by name.
      fresh = (all, immutable) => {
        const h = new Headers();
        for (const name of ownKeys(all)) {
          for (const value of all[name]) {
            // What came from outside is taken as far as it is right.
            try {
              h.append(name, value);
            } catch {
              continue;
            }
          }
        }
        h.#immutable = immutable;
        return h;
      };
      values = (h) => h.#values;
      sorted = (h) => {
        if (h.#sorted !== undefined) return h.#sorted;
        const list = [];
        for (const name of sort(ownKeys(h.#values))) {
          const own = h.#values[name];
          if (name !== 'set-cookie') list[list.length] = [name, join(own, ', ')];
          else for (const value of own) list[list.length] = [name, value];
        }
        return (h.#sorted = list);
      };
    }
  }
  declare(Headers);
  iterable(Headers, (h) => sorted(h));
  inspect(Headers, (h) => Object.fromEntries(sorted(h)));
  web.platform.push(web.isHeaders);

  web.headersOf = fresh;
  web.headerValues = values;
}
