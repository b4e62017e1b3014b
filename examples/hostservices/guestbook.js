/// <reference path="../../guest/javascript/nex.d.ts" />

// A function that uses all four host services: each message signs the guest book. The book is kept in
// a key-value bucket and its pages in an object store, both the function's own; every entry is
// announced as a message, and told to a web hook if there is one.
//
//   nex devrun guestbook.js --trigger_subject=guestbook.sign hook=https://example.org/signed
//   nats req guestbook.sign Ada
const pageLength = 10;

/** @type {NexFunction} */
(subject, payload) => {
  const { kv, objectStore, messaging, http } = hostServices;
  const name = new TextDecoder().decode(payload).trim();
  if (!name) {
    throw Object.assign(new Error("send your name"), { code: 400 });
  }

  const number = Number(String.fromCharCode(...(kv.get("count") ?? [])) || "0") + 1;
  kv.set("count", String(number));
  kv.set(`guest.${number}`, name);

  if (number % pageLength === 0) { // a full page is kept as one object
    const guests = kv.keys().filter((key) => key.startsWith("guest."));
    objectStore.put(`page-${number / pageLength}`, guests.map((key) => String.fromCharCode(...(kv.get(key) ?? []))).join("\n"));
    guests.forEach((key) => kv.delete(key));
  }

  messaging.publish("guestbook.signed", JSON.stringify({ number, name }));
  let told;
  if (env.hook) {
    told = http.post(env.hook, JSON.stringify({ number, name }), { headers: { "content-type": "application/json" } }).status;
  }
  return { number, pages: objectStore.list().map((page) => page.name), told };
};
