// The guests of the conformance suite: the environment says which one this is to be.
const text = (bytes) => String.fromCharCode(...bytes);
const decode = (bytes) => new TextDecoder().decode(bytes);
const harm = (f) => (subject, payload) => (text(payload.subarray(0, 4)) === 'well' ? 'well' : f(subject, payload));

let calls = 0;
const kept = [];

const guests = {
  echo: (subject, payload) => payload,
  subject: (subject) => subject,
  headers: (subject, payload, { headers }) => ({ headers }),
  env: () => env.NEX_TEST,
  large: (subject, payload) => new Uint8Array(Number(text(payload))),
  log: (subject, payload) => {
    console.log(decode(payload));
    console.error(decode(payload));
  },
  fail: harm(() => {
    throw Object.assign(new Error('no such thing'), { code: 404 });
  }),
  throw: harm(() => {
    undefined.property();
  }),
  endless: harm(() => {
    console.log('begun');
    for (;;);
  }),
  grab: harm(() => {
    for (;;) kept.push(new Array(1000).fill(1));
  }),
  host: (subject, payload) => {
    hostServices.kv.set('answer', payload);
    return hostServices.kv.get('answer');
  },
  await_host: (subject, payload) => hostServices.promises.kv.get(text(payload)),
  // What is not there is null in JavaScript.
  host_error: (subject, payload) => (hostServices.kv.get(text(payload)) === null ? 'not_found' : ''),
  state: () => String(++calls),
};

guests[process.env.NEX_GUEST];
