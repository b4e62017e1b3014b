// Timers: a heap by time and then age. The Go side wakes one at a time.

const MAX_TIMERS = 10000;
const timers = setPrototypeOf([], null);
let timerByID = create(null);
let timerID = 0;
let woken; // the timer whose action runs

const before = (a, b) => a.due < b.due || (a.due === b.due && a.id < b.id);

function now() {
  host.now();
  return clock[NOW];
}

function place(i, timer) {
  timers[i] = timer;
  timer.at = i;
}

function rise(i, timer) {
  while (i > 0) {
    const up = (i - 1) >> 1;
    if (!before(timer, timers[up])) break;
    place(i, timers[up]);
    i = up;
  }
  place(i, timer);
}

function sink(i, timer) {
  for (;;) {
    let down = 2 * i + 1;
    if (down >= timers.length) break;
    if (down + 1 < timers.length && before(timers[down + 1], timers[down])) down++;
    if (!before(timers[down], timer)) break;
    place(i, timers[down]);
    i = down;
  }
  place(i, timer);
}

function schedule(timer) {
  if (settled) return; // it would not be woken
  if (timers.length >= MAX_TIMERS) throw new RangeError(`a function may have ${MAX_TIMERS} timers at one time`);
  timerByID[timer.id] = timer;
  rise(timers.length, timer);
  clock[NEXT] = timers[0].due;
}

function unschedule(timer) {
  delete timerByID[timer.id];
  const last = timers[timers.length - 1];
  timers.length--;
  if (last !== timer) {
    sink(timer.at, last);
    rise(last.at, last);
  }
  clock[NEXT] = timers.length > 0 ? timers[0].due : Infinity;
}

function setTimer(action, delay, every) {
  let ms = +delay;
  if (!(ms >= 0)) ms = 0;
  if (every && ms < 1) ms = 1; // it must not keep the machine busy
  const timer = { id: ++timerID, due: now() + ms, every: every ? ms : -1, at: 0, action };
  schedule(timer);
  return timer.id;
}

function clearTimer(id) {
  const timer = timerByID[id];
  if (timer !== undefined) unschedule(timer);
  else if (woken !== undefined && woken.id === id) woken.every = -1;
}

function dropTimers() {
  timers.length = 0;
  timerByID = create(null);
  clock[NEXT] = Infinity;
}

function runTimer() {
  const timer = timers[0];
  if (timer === undefined || timer.due > clock[NOW]) return;
  unschedule(timer);
  woken = timer;
  try {
    apply(timer.action, globalThis, []);
  } catch (e) {
    native.report(e);
  }
  woken = undefined;
  if (timer.every >= 0) {
    timer.due = now() + timer.every;
    schedule(timer);
  }
}
