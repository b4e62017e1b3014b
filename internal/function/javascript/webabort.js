// AbortController and AbortSignal (DOM Standard).
(native, web) => {
  'use strict';

  const { DOMException, declare, inspect, isObject, need } = web;
  const { Event, EventTarget } = globalThis;

  // What the constructor of AbortSignal must be given: nobody else has it.
  const key = {};

  class AbortSignal extends EventTarget {
    #aborted = false;
    #reason = undefined;
    #algorithms = new Set(); // what to do before the event is dispatched
    #dependents = []; // signals made of this one by AbortSignal.any
    #sources = []; // the signals that this one is made of, none of which is itself made of others
    #any = false;
    #handler = undefined;
    constructor(k) {
      if (k !== key)
        throw new TypeError(
          'AbortSignal cannot be constructed; use an AbortController, or AbortSignal.abort, any or timeout',
        );
      super();
    }
    get aborted() {
      return this.#aborted;
    }
    get reason() {
      return this.#reason;
    }
    throwIfAborted() {
      if (this.#aborted) throw this.#reason;
    }
    get onabort() {
      return this.#handler?.callback ?? null;
    }
    set onabort(f) {
      this.#handler = web.handle(this, 'abort', f, this.#handler);
    }
    static abort(reason = new DOMException('this operation was aborted', 'AbortError')) {
      const s = new AbortSignal(key);
      s.#aborted = true;
      s.#reason = reason;
      return s;
    }
    static timeout(milliseconds) {
      need(arguments, 1, 'AbortSignal.timeout');
      const ms = Math.trunc(+milliseconds);
      if (!(ms >= 0 && ms <= Number.MAX_SAFE_INTEGER)) {
        throw new TypeError('AbortSignal.timeout needs a number of milliseconds from 0 to 2^53-1');
      }
      const s = new AbortSignal(key);
      native.setTimer(
        () => s.#abort(new DOMException('the operation was aborted because its time is over', 'TimeoutError')),
        ms,
      );
      return s;
    }
    static any(signals) {
      need(arguments, 1, 'AbortSignal.any');
      const all = [...signals];
      for (const s of all) {
        if (!web.isAbortSignal(s)) throw new TypeError('AbortSignal.any needs a sequence of AbortSignals');
      }
      const made = new AbortSignal(key);
      made.#any = true;
      for (const s of all) {
        if (s.#aborted) {
          made.#aborted = true;
          made.#reason = s.#reason;
          return made;
        }
      }
      for (const s of all) {
        for (const source of s.#any ? s.#sources : [s]) {
          if (made.#sources.includes(source)) continue;
          made.#sources.push(source);
          source.#dependents.push(made);
        }
      }
      return made;
    }
    #abort(reason) {
      if (this.#aborted) return;
      const all = [this];
      for (const s of this.#dependents) if (!s.#aborted) all.push(s);
      // All of them are aborted before any listener can look.
      for (const s of all) {
        s.#aborted = true;
        s.#reason = reason;
      }
      for (const s of all) {
        const algorithms = s.#algorithms;
        s.#algorithms = new Set();
        s.#leave();
        for (const f of algorithms) f();
        s.dispatchEvent(new Event('abort'));
      }
    }
    // leave lets go of the signals that this one is made of and that are made of it.
    #leave() {
      for (const source of this.#sources) source.#dependents = source.#dependents.filter((s) => s !== this);
      this.#sources = [];
      this.#dependents = [];
    }
    static {
      web.isAbortSignal = (v) => isObject(v) && #aborted in v;
      web.aborted = (s) => s.#aborted;
      web.abortReason = (s) => s.#reason;
      // onAborted has f called when s is aborted.
      web.onAborted = (s, f) => {
        s.#algorithms.add(f);
      };
      // unfollow lets a signal of AbortSignal.any, which nobody needs any more, go from its sources.
      web.unfollow = (s) => s.#leave();
      web.newSignal = () => new AbortSignal(key);
      web.abort = (s, reason) => s.#abort(reason);
    }
  }
  declare(AbortSignal);
  inspect(AbortSignal, (s) => ({ aborted: s.aborted }));

  class AbortController {
    #signal = web.newSignal();
    get signal() {
      return this.#signal;
    }
    abort(reason = new DOMException('this operation was aborted', 'AbortError')) {
      web.abort(this.#signal, reason);
    }
    static {
      web.platform.push((v) => #signal in v);
    }
  }
  declare(AbortController);
  inspect(AbortController, (c) => ({ aborted: c.signal.aborted }));
}
