// The global object console: what functions print becomes their log.
(native) => {
  'use strict';

  const { apply, ownKeys, defineProperty } = Reflect;
  const { isArray } = Array;
  const { String, Number, Error, parseInt, parseFloat } = globalThis;
  const { stringify } = JSON;
  const { create } = Object;
  const { round } = Math;
  const { captureStackTrace } = Error;
  const { print, inspect, now } = native;
  const slice = String.prototype.slice;
  const repeat = String.prototype.repeat;

  const DEBUG = '0', INFO = '1', WARN = '2', ERROR = '3';

  // Bounds what one call prints; the Go side cuts it into lines.
  const MAX_CHARS = 256 << 10;

  let indent = '';

  const write = (level, text) => {
    let out = text.length > MAX_CHARS ? `${apply(slice, text, [0, MAX_CHARS])}…` : text;
    if (indent !== '') {
      let indented = indent;
      for (let i = 0; i < out.length; i++) indented += out[i] === '\n' ? `\n${indent}` : out[i];
      out = indented;
    }
    print(level + out);
  };

  const number = (value, convert) => {
    if (typeof value === 'bigint') return `${String(value)}n`;
    return typeof value === 'symbol' || typeof value === 'object' ? 'NaN' : String(convert(value));
  };

  // The text for one directive of a format, or undefined if it is none.
  const directive = (letter, value) => {
    switch (letter) {
      case 's':
        return typeof value === 'string' ? value : inspect(value);
      case 'd':
        return number(value, Number);
      case 'i':
        return number(value, (v) => parseInt(v, 10));
      case 'f':
        return number(value, parseFloat);
      case 'j':
        try {
          return String(stringify(value));
        } catch {
          return inspect(value);
        }
      case 'o':
      case 'O':
        return inspect(value);
      case 'c':
        return '';
    }
    return undefined;
  };

  const format = (args) => {
    let out = '', used = 0;
    if (args.length > 1 && typeof args[0] === 'string') {
      const text = args[0];
      used = 1;
      for (let i = 0; i < text.length; i++) {
        if (text[i] === '%' && i + 1 < text.length) {
          if (text[i + 1] === '%') {
            out += '%';
            i++;
            continue;
          }
          const shown = used < args.length ? directive(text[i + 1], args[used]) : undefined;
          if (shown !== undefined) {
            out += shown;
            used++;
            i++;
            continue;
          }
        }
        out += text[i];
      }
    }
    for (let i = used; i < args.length && out.length <= MAX_CHARS; i++) {
      if (i > 0) out += ' ';
      out += typeof args[i] === 'string' ? args[i] : inspect(args[i]);
    }
    return out;
  };

  const counts = create(null);
  const times = create(null);
  const labelOf = (label) => (label === undefined ? 'default' : String(label));
  const passed = (began) => `${String(round((now() - began) * 1000) / 1000)}ms`;

  // Rows of a table: an array of arrays of text, the first one the head.
  const rows = (data, columns) => {
    const head = ['(index)'], table = [head], known = create(null);
    let hasValues = false;
    const keys = ownKeys(data);
    for (let i = 0; i < keys.length && table.length <= 100; i++) {
      const key = keys[i];
      if (typeof key === 'symbol' || (key === 'length' && isArray(data))) continue;
      const row = { __proto__: null, index: key, cells: create(null), value: '' };
      const item = data[key];
      if (item !== null && typeof item === 'object') {
        const fields = columns !== undefined ? columns : ownKeys(item);
        for (let j = 0; j < fields.length && j < 30; j++) {
          const field = fields[j];
          if (typeof field === 'symbol' || (field === 'length' && isArray(item))) continue;
          if (known[field] === undefined) {
            known[field] = true;
            defineProperty(head, head.length, { value: field, writable: true, enumerable: true, configurable: true });
          }
          if (item[field] !== undefined) row.cells[field] = inspect(item[field]);
        }
      } else {
        hasValues = true;
        row.value = inspect(item);
      }
      defineProperty(table, table.length, { value: row, writable: true, enumerable: true, configurable: true });
    }
    return { head, table, hasValues };
  };

  const pad = (text, width) => text + apply(repeat, ' ', [width > text.length ? width - text.length : 0]);

  const table = (data, columns) => {
    const { head, table: lines, hasValues } = rows(data, isArray(columns) ? columns : undefined);
    const cell = (i, j) => {
      if (i === 0) return j < head.length ? head[j] : 'Values';
      const row = lines[i];
      if (j === 0) return row.index;
      const text = j < head.length ? row.cells[head[j]] : row.value;
      return text === undefined ? '' : text;
    };
    const width = head.length + (hasValues ? 1 : 0);
    const widths = create(null);
    for (let j = 0; j < width; j++) {
      widths[j] = 0;
      for (let i = 0; i < lines.length; i++) {
        const size = cell(i, j).length;
        if (size > widths[j]) widths[j] = size;
      }
    }
    let out = '';
    for (let i = 0; i < lines.length; i++) {
      let line = '';
      for (let j = 0; j < width; j++) line += (j > 0 ? ' | ' : '') + pad(cell(i, j), widths[j]);
      out += (i > 0 ? '\n' : '') + line;
    }
    return out;
  };

  const console = {
    debug(...args) {
      write(DEBUG, format(args));
    },
    log(...args) {
      write(INFO, format(args));
    },
    info(...args) {
      write(INFO, format(args));
    },
    warn(...args) {
      write(WARN, format(args));
    },
    error(...args) {
      write(ERROR, format(args));
    },
    trace(...args) {
      const here = { name: 'Trace', message: format(args) };
      captureStackTrace(here, console.trace);
      write(ERROR, String(here.stack));
    },
    assert(condition, ...args) {
      if (condition) return;
      const text = format(args);
      write(ERROR, text === '' ? 'Assertion failed' : `Assertion failed: ${text}`);
    },
    dir(value) {
      write(INFO, inspect(value));
    },
    table(data, columns) {
      if (data === null || typeof data !== 'object') write(INFO, format([data]));
      else write(INFO, table(data, columns));
    },
    count(label) {
      const name = labelOf(label);
      counts[name] = (counts[name] || 0) + 1;
      write(INFO, `${name}: ${counts[name]}`);
    },
    countReset(label) {
      delete counts[labelOf(label)];
    },
    time(label) {
      times[labelOf(label)] = now();
    },
    timeLog(label, ...args) {
      const name = labelOf(label);
      const more = format(args);
      if (times[name] !== undefined) write(INFO, `${name}: ${passed(times[name])}${more === '' ? '' : ` ${more}`}`);
      else write(WARN, `There is no timer ${name}`);
    },
    timeEnd(label) {
      const name = labelOf(label);
      if (times[name] !== undefined) write(INFO, `${name}: ${passed(times[name])}`);
      else write(WARN, `There is no timer ${name}`);
      delete times[name];
    },
    group(...args) {
      if (args.length > 0) write(INFO, format(args));
      if (indent.length < 32) indent += '  ';
    },
    groupCollapsed(...args) {
      apply(console.group, console, args);
    },
    groupEnd() {
      indent = apply(slice, indent, [2]);
    },
  };

  defineProperty(globalThis, 'console', { value: console, writable: true, enumerable: false, configurable: true });

  // Says of an exception that nobody can catch that there was one.
  native.report = (e) => write(ERROR, `Uncaught ${inspect(e)}`);
  native.endPrinting = () => {
    indent = '';
  };
}
