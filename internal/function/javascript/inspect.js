// How values look in logs: native.inspect(value) is a text for people, of bounded depth and length. It
// runs no code of the value's but that under native.inspectSymbol.
(native) => {
  'use strict';

  const { apply, ownKeys, getPrototypeOf, getOwnPropertyDescriptor } = Reflect;
  const { isArray } = Array;
  const { isView } = ArrayBuffer;
  const { stringify } = JSON;
  const { String } = globalThis;
  const { setPrototypeOf } = Object;
  const objectPrototype = Object.prototype;
  const arrayPrototype = Array.prototype;
  const is = Object.is;
  const method = (f) => (self, a, b) => apply(f, self, [a, b]);
  const get = (prototype, name) => {
    const f = getOwnPropertyDescriptor(prototype, name).get;
    return (self) => apply(f, self, []);
  };
  const typedPrototype = getPrototypeOf(Uint8Array.prototype);
  const kindOf = get(typedPrototype, Symbol.toStringTag);
  const lengthOf = get(typedPrototype, 'length');
  const byteLengthOf = get(ArrayBuffer.prototype, 'byteLength');
  const mapSize = get(Map.prototype, 'size');
  const setSize = get(Set.prototype, 'size');
  const mapEach = method(Map.prototype.forEach);
  const setEach = method(Set.prototype.forEach);
  const dateText = method(Date.prototype.toISOString);
  const dateValue = method(Date.prototype.getTime);
  const regexpText = method(RegExp.prototype.toString);
  const symbolText = method(Symbol.prototype.toString);
  const functionText = method(Function.prototype.toString);
  const slice = method(String.prototype.slice);
  const indexOf = method(String.prototype.indexOf);
  const tagText = method(objectPrototype.toString);

  const MAX_DEPTH = 4;
  const MAX_ITEMS = 100;
  const MAX_CHARS = 64 << 10;
  const WIDTH = 72;

  const list = () => setPrototypeOf([], null);

  // The state of one inspection: what has been written counts, so that breadth at each depth cannot
  // make an endless text.
  let budget = 0;
  const spend = (text) => {
    budget -= text.length;
    return text;
  };

  const quote = (text) => {
    const shown = text.length > budget ? `${slice(text, 0, budget > 0 ? budget : 0)}…` : text;
    const escaped = slice(stringify(shown), 1, -1);
    if (indexOf(shown, "'") >= 0) return `"${escaped}"`;
    let out = '';
    for (let i = 0; i < escaped.length; i++) {
      // A double quote needs no escape between single ones.
      if (escaped[i] === '\\' && escaped[i + 1] === '"') continue;
      out += escaped[i];
      if (escaped[i] === '\\') out += escaped[++i];
    }
    return `'${out}'`;
  };

  const isName = (text) => {
    if (text === '' || text.length > 100) return false;
    for (let i = 0; i < text.length; i++) {
      const c = text[i];
      const letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c === '_' || c === '$' || c > '\x7f';
      if (!letter && !(i > 0 && c >= '0' && c <= '9')) return false;
    }
    return true;
  };

  const keyText = (key) => (typeof key === 'symbol' ? `[${symbolText(key)}]` : isName(key) ? key : quote(key));

  // The name of the class of an object; '' for a plain one.
  const className = (value) => {
    const prototype = getPrototypeOf(value);
    if (prototype === null) return '[Object: null prototype]';
    if (prototype === objectPrototype) return '';
    for (let p = prototype; p !== null; p = getPrototypeOf(p)) {
      const d = getOwnPropertyDescriptor(p, 'constructor');
      if (d !== undefined && typeof d.value === 'function') {
        const name = getOwnPropertyDescriptor(d.value, 'name');
        return name !== undefined && typeof name.value === 'string' ? name.value : '';
      }
    }
    return '';
  };

  const functionName = (f) => {
    const name = getOwnPropertyDescriptor(f, 'name');
    const known = name !== undefined && typeof name.value === 'string' && name.value !== '' ? name.value : '';
    if (slice(functionText(f), 0, 5) === 'class') return known === '' ? '[class (anonymous)]' : `[class ${known}]`;
    return known === '' ? '[Function (anonymous)]' : `[Function: ${known}]`;
  };

  const primitive = (value) => {
    switch (typeof value) {
      case 'string':
        return quote(value);
      case 'number':
        return is(value, -0) ? '-0' : String(value);
      case 'bigint':
        return `${String(value)}n`;
      case 'symbol':
        return symbolText(value);
      default:
        return String(value);
    }
  };

  const attempt = (f, value) => {
    try {
      return f(value);
    } catch {
      return undefined;
    }
  };

  // Joins the parts of an object in one line if they fit.
  const join = (head, open, parts, close, depth) => {
    const before = head === '' ? open : `${head} ${open}`;
    if (parts.length === 0) return before + close;
    let size = before.length, long = false, line = '', lines = '';
    const indent = slice('                                ', 0, 2 * (depth + 1));
    for (let i = 0; i < parts.length; i++) {
      const part = parts[i];
      const comma = i < parts.length - 1 ? ',' : '';
      size += part.length + 2;
      if (indexOf(part, '\n') >= 0) long = true;
      line += ` ${part}${comma}`;
      lines += `\n${indent}${part}${comma}`;
    }
    if (long || size > WIDTH) return `${before}${lines}\n${slice(indent, 2)}${close}`;
    return `${before}${line} ${close}`;
  };

  const properties = (value, parts, depth, above, skip) => {
    const keys = ownKeys(value);
    let shown = 0, more = 0;
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i];
      if (skip(key)) continue;
      const d = getOwnPropertyDescriptor(value, key);
      if (d === undefined || !d.enumerable) continue;
      if (shown === MAX_ITEMS || budget <= 0) {
        more++;
        continue;
      }
      shown++;
      const text = d.get !== undefined ? (d.set !== undefined ? '[Getter/Setter]' : '[Getter]')
        : d.set !== undefined ? '[Setter]' : show(d.value, depth + 1, above);
      parts[parts.length] = spend(`${keyText(key)}: `) + text;
    }
    if (more > 0) parts[parts.length] = `... ${more} more`;
  };

  const none = () => false;
  const isIndex = (key) => typeof key === 'string' && key >= '0' && key < ':' && String(key >>> 0) === key;

  const items = (value, length, parts, depth, above) => {
    let holes = 0;
    const flush = () => {
      if (holes > 0) parts[parts.length] = `<${holes} empty item${holes > 1 ? 's' : ''}>`;
      holes = 0;
    };
    let i = 0;
    for (; i < length && parts.length < MAX_ITEMS && budget > 0 && holes < 1e4; i++) {
      const d = getOwnPropertyDescriptor(value, i);
      if (d === undefined) {
        holes++;
        continue;
      }
      flush();
      parts[parts.length] = d.get !== undefined ? '[Getter]' : show(d.value, depth + 1, above);
    }
    flush();
    if (i < length) parts[parts.length] = `... ${length - i} more item${length - i > 1 ? 's' : ''}`;
  };

  const entries = (value, each, size, parts, write) => {
    each(value, (v, k) => {
      if (parts.length < MAX_ITEMS && budget > 0) parts[parts.length] = write(v, k);
    });
    if (size > parts.length) parts[parts.length] = `... ${size - parts.length} more`;
  };

  // A stack without the runtime's own frames.
  const usersFrames = (stack) => {
    let out = '';
    for (let from = 0; from <= stack.length; ) {
      let end = indexOf(stack, '\n', from);
      if (end < 0) end = stack.length;
      const line = slice(stack, from, end);
      if (indexOf(line, '    at ') < 0 || indexOf(line, 'nex:') < 0) out += (from > 0 ? '\n' : '') + line;
      from = end + 1;
    }
    return out;
  };

  const errorText = (value, depth, above) => {
    const own = (name) => {
      const d = getOwnPropertyDescriptor(value, name);
      return d === undefined ? undefined : d.value !== undefined ? d.value : value[name];
    };
    let text = attempt(own, 'stack');
    if (typeof text !== 'string' || text === '') text = `[${String(value.name)}: ${String(value.message)}]`;
    text = spend(usersFrames(text));
    const parts = list();
    properties(value, parts, depth, above, (key) => key === 'stack' || key === 'message');
    const cause = getOwnPropertyDescriptor(value, 'cause');
    if (cause !== undefined && !cause.enumerable && 'value' in cause) parts[parts.length] = `[cause]: ${show(cause.value, depth + 1, above)}`;
    return parts.length === 0 ? text : join(text, '{', parts, '}', depth);
  };

  // Objects with an inside that their properties do not show, or undefined for the others.
  const special = (value, tag, name, depth, above) => {
    const parts = list();
    switch (tag) {
      case '[object Date]': {
        const ms = attempt(dateValue, value);
        return ms === undefined ? undefined : ms !== ms ? 'Invalid Date' : dateText(value);
      }
      case '[object RegExp]':
        return attempt(regexpText, value);
      case '[object Map]': {
        const size = attempt(mapSize, value);
        if (size === undefined) return undefined;
        entries(value, mapEach, size, parts, (v, k) => `${show(k, depth + 1, above)} => ${show(v, depth + 1, above)}`);
        return join(`${name}(${size})`, '{', parts, '}', depth);
      }
      case '[object Set]': {
        const size = attempt(setSize, value);
        if (size === undefined) return undefined;
        entries(value, setEach, size, parts, (v) => show(v, depth + 1, above));
        return join(`${name}(${size})`, '{', parts, '}', depth);
      }
      case '[object ArrayBuffer]': {
        const size = attempt(byteLengthOf, value);
        return size === undefined ? undefined : `${name} { byteLength: ${size} }`;
      }
      case '[object Promise]':
      case '[object WeakMap]':
      case '[object WeakSet]':
      case '[object WeakRef]':
        return `${name} {}`;
    }
    return undefined;
  };

  const object = (value, depth, above) => {
    for (let i = 0; i < above.length; i++) {
      if (above[i] === value) return '[Circular]';
    }
    const custom = attempt((v) => v[native.inspectSymbol], value);
    if (typeof custom === 'function') {
      const text = apply(custom, value, []);
      return typeof text === 'string' ? spend(text) : show(text, depth, above);
    }
    const tag = tagText(value);
    const name = className(value);
    if (depth > MAX_DEPTH || budget <= 0) return isArray(value) ? '[Array]' : `[${name === '' ? 'Object' : name}]`;
    above[above.length] = value;
    let text;
    if (tag === '[object Error]') text = errorText(value, depth, above);
    if (text === undefined) text = special(value, tag, name, depth, above);
    if (text === undefined) text = plain(value, name, depth, above);
    above.length--;
    return text;
  };

  const plain = (value, name, depth, above) => {
    const parts = list();
    if (isArray(value)) {
      items(value, value.length, parts, depth, above);
      properties(value, parts, depth, above, isIndex);
      return join(getPrototypeOf(value) === arrayPrototype ? '' : `${name}(${value.length})`, '[', parts, ']', depth);
    }
    const kind = isView(value) ? kindOf(value) : undefined;
    if (kind !== undefined) {
      const length = lengthOf(value);
      items(value, length, parts, depth, above);
      return join(`${name}(${length})`, '[', parts, ']', depth);
    }
    if (typeof value === 'function') {
      properties(value, parts, depth, above, none);
      return parts.length === 0 ? functionName(value) : join(functionName(value), '{', parts, '}', depth);
    }
    properties(value, parts, depth, above, none);
    return join(name, '{', parts, '}', depth);
  };

  const show = (value, depth, above) => {
    if (value === null || (typeof value !== 'object' && typeof value !== 'function')) return spend(primitive(value));
    try {
      return object(value, depth, above);
    } catch {
      above.length = depth;
      return '[an object that cannot be looked at]';
    }
  };

  native.inspect = (value) => {
    budget = MAX_CHARS;
    return show(value, 0, list());
  };
}
