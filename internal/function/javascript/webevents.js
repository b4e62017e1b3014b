// Event, CustomEvent, EventTarget, AbortController and AbortSignal (DOM Standard). There is no tree:
// an event reaches the listeners of its target alone.
(native, web) => {
  'use strict';

  const { declare, dictionary, inspect, isObject, need, refuse } = web;
  const apply = Reflect.apply;

  // Event keeps its inner state for EventTarget alone.
  let dispatching, begin, end, stopped, stoppedNow, current;

  class Event {
    #type;
    #bubbles;
    #cancelable;
    #composed;
    #target = null;
    #current = null;
    #dispatching = false;
    #stopped = false;
    #stoppedNow = false;
    #canceled = false;
    #passive = false;
    #timeStamp = native.now();
    constructor(type, options = undefined) {
      need(arguments, 1, 'Event');
      this.#type = `${type}`;
      const o = dictionary(options, 'the options of Event');
      this.#bubbles = !!o.bubbles;
      this.#cancelable = !!o.cancelable;
      this.#composed = !!o.composed;
    }
    get type() {
      return this.#type;
    }
    get target() {
      return this.#target;
    }
    get srcElement() {
      return this.#target;
    }
    get currentTarget() {
      return this.#current;
    }
    get eventPhase() {
      return this.#current === null ? 0 : 2;
    }
    get bubbles() {
      return this.#bubbles;
    }
    get cancelable() {
      return this.#cancelable;
    }
    get composed() {
      return this.#composed;
    }
    get defaultPrevented() {
      return this.#canceled;
    }
    get isTrusted() {
      return false;
    }
    get timeStamp() {
      return this.#timeStamp;
    }
    get cancelBubble() {
      return this.#stopped;
    }
    set cancelBubble(v) {
      if (v) this.#stopped = true;
    }
    get returnValue() {
      return !this.#canceled;
    }
    set returnValue(v) {
      if (!v) this.preventDefault();
    }
    composedPath() {
      return this.#current === null ? [] : [this.#current];
    }
    stopPropagation() {
      this.#stopped = true;
    }
    stopImmediatePropagation() {
      this.#stopped = true;
      this.#stoppedNow = true;
    }
    preventDefault() {
      if (this.#cancelable && !this.#passive) this.#canceled = true;
    }
    static {
      dispatching = (e) => e.#dispatching;
      begin = (e, target) => {
        e.#dispatching = true;
        e.#target = target;
      };
      end = (e) => {
        e.#dispatching = false;
        e.#stopped = false;
        e.#stoppedNow = false;
      };
      stopped = (e) => e.#stopped;
      stoppedNow = (e) => e.#stoppedNow;
      current = (e, target, passive) => {
        e.#current = target;
        e.#passive = passive;
      };
      web.isEvent = (v) => isObject(v) && #type in v;
    }
  }
  declare(Event, { NONE: 0, CAPTURING_PHASE: 1, AT_TARGET: 2, BUBBLING_PHASE: 3 });
  inspect(Event, (e) => ({ type: e.type, cancelable: e.cancelable, defaultPrevented: e.defaultPrevented }));

  class CustomEvent extends Event {
    #detail;
    constructor(type, options = undefined) {
      super(type, options);
      const detail = dictionary(options, 'the options of CustomEvent').detail;
      this.#detail = detail === undefined ? null : detail;
    }
    get detail() {
      return this.#detail;
    }
  }
  declare(CustomEvent);

  // capture reads the flag of a listener, which is part of what identifies it.
  const capture = (options) => (isObject(options) ? !!options.capture : !!options);

  class EventTarget {
    // By type, a list of listeners that is replaced, never changed, so that one that is being gone
    // through stays as it is.
    #listeners = new Map();
    addEventListener(type, callback, options = undefined) {
      need(arguments, 2, 'EventTarget.addEventListener');
      const name = `${type}`;
      if (callback !== null && callback !== undefined && !isObject(callback)) {
        throw new TypeError('EventTarget.addEventListener needs a function or an object with the method handleEvent');
      }
      const listener = {
        callback,
        capture: capture(options),
        once: false,
        passive: false,
        handler: false,
        removed: false,
      };
      let signal;
      if (isObject(options)) {
        listener.once = !!options.once;
        listener.passive = !!options.passive;
        signal = options.signal;
        if (signal !== undefined && !web.isAbortSignal(signal)) {
          throw new TypeError('the option signal of EventTarget.addEventListener must be an AbortSignal');
        }
      }
      if ((signal && web.aborted(signal)) || callback === null || callback === undefined) return;
      if (!this.#add(name, listener)) return;
      if (signal) web.onAborted(signal, () => this.#remove(name, listener));
    }
    removeEventListener(type, callback, options = undefined) {
      need(arguments, 2, 'EventTarget.removeEventListener');
      const name = `${type}`;
      const found = this.#find(name, callback, capture(options));
      if (found) this.#remove(name, found);
    }
    dispatchEvent(event) {
      need(arguments, 1, 'EventTarget.dispatchEvent');
      if (!web.isEvent(event)) throw new TypeError('EventTarget.dispatchEvent needs an Event');
      if (dispatching(event)) refuse('InvalidStateError', 'the event is being dispatched already');
      begin(event, this);
      for (const capturing of [true, false]) {
        if (stopped(event)) break;
        const all = this.#listeners.get(event.type) ?? [];
        for (let i = 0; i < all.length && !stoppedNow(event); i++) {
          if (all[i].capture === capturing && !all[i].removed) this.#call(all[i], event);
        }
      }
      current(event, null, false);
      end(event);
      return !event.defaultPrevented;
    }
    #call(listener, event) {
      if (listener.once) this.#remove(event.type, listener);
      current(event, this, listener.passive);
      try {
        const f = listener.callback;
        if (typeof f === 'function') {
          apply(f, this, [event]);
        } else {
          const method = f.handleEvent;
          if (typeof method !== 'function') throw new TypeError('an event listener has no method handleEvent');
          apply(method, f, [event]);
        }
      } catch (err) {
        native.report(err); // the other listeners run all the same
      }
    }
    #find(name, callback, captures) {
      const all = this.#listeners.get(name) ?? [];
      for (let i = 0; i < all.length; i++) {
        if (all[i].callback === callback && all[i].capture === captures && !all[i].handler) return all[i];
      }
      return undefined;
    }
    #add(name, listener) {
      if (!listener.handler && this.#find(name, listener.callback, listener.capture)) return false;
      this.#listeners.set(name, [...(this.#listeners.get(name) ?? []), listener]);
      return true;
    }
    #remove(name, listener) {
      listener.removed = true;
      const left = (this.#listeners.get(name) ?? []).filter((l) => l !== listener);
      if (left.length > 0) this.#listeners.set(name, left);
      else this.#listeners.delete(name);
    }
    static {
      web.isEventTarget = (v) => isObject(v) && #listeners in v;
      // handle has callback, what was assigned to an attribute such as onabort, called in the place of
      // the listener that it returned for what was assigned before.
      web.handle = (target, name, callback, listener) => {
        if (typeof callback !== 'function') {
          if (listener) target.#remove(name, listener);
          return undefined;
        }
        if (!listener) {
          listener = { callback, capture: false, once: false, passive: false, handler: true, removed: false };
          target.#add(name, listener);
        }
        listener.callback = callback;
        return listener;
      };
    }
  }
  declare(EventTarget);

  web.platform.push(web.isEvent, web.isEventTarget);
}
