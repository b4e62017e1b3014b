// The globals that belong to a function's place rather than to the language: timers, the clock, and the
// environment. And what WebAssembly needs to be at home in it.
(native) => {
  'use strict';

  const { apply, defineProperty } = Reflect;
  const { TypeError, Promise } = globalThis;
  const { parse } = JSON;
  const { freeze } = Object;
  const then = Promise.prototype.then;

  const expose = (name, value) => {
    defineProperty(globalThis, name, { value, writable: true, enumerable: false, configurable: true });
  };

  // ---- Timers and the clock.

  const action = (f, args) => {
    if (typeof f !== 'function') throw new TypeError('the first argument must be a function');
    return args.length === 0 ? f : () => apply(f, globalThis, args);
  };
  expose('setTimeout', function setTimeout(f, ms, ...args) {
    return native.setTimer(action(f, args), ms);
  });
  expose('setInterval', function setInterval(f, ms, ...args) {
    return native.setInterval(action(f, args), ms);
  });
  expose('clearTimeout', function clearTimeout(id) {
    native.clearTimer(id);
  });
  expose('clearInterval', function clearInterval(id) {
    native.clearTimer(id);
  });
  const resolved = Promise.resolve();
  expose('queueMicrotask', function queueMicrotask(f) {
    if (typeof f !== 'function') throw new TypeError('the argument of queueMicrotask must be a function');
    apply(then, resolved, [
      () => {
        try {
          f();
        } catch (e) {
          native.report(e);
        }
      },
    ]);
  });
  const origin = Date.now();
  const performance = {
    timeOrigin: origin,
    now() {
      return native.now();
    },
  };
  expose('performance', performance);

  // ---- WebAssembly. V8 would compile on another thread and settle the promise from a queue that nobody
  // serves here, so the promises are made of the forms that wait.

  const { Module, Instance } = WebAssembly;
  const methods = {
    async compile(source) {
      return new Module(source);
    },
    async instantiate(source, imports) {
      if (source instanceof Module) return new Instance(source, imports);
      const module = new Module(source);
      return { module, instance: new Instance(module, imports) };
    },
  };
  defineProperty(WebAssembly, 'compile', { value: methods.compile, writable: true, configurable: true });
  defineProperty(WebAssembly, 'instantiate', { value: methods.instantiate, writable: true, configurable: true });

  // ---- The environment.

  expose('env', freeze(parse(native.environment)));
  expose('process', { env: freeze(parse(native.environment)) });
  delete native.environment;
}
