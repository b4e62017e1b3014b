// A function that tries, by its host services, to get where it has no business, and tells of each attempt as
// the other intruders do. The attempts are in its input, a line each, with what would end a line as %0A.
async (subject, payload) => {
  const { messaging, kv, objectStore, http } = hostServices;
  // What it may do, so that what is refused is refused for another reason than that nothing works.
  if (String.fromCharCode(...messaging.request("separation.echo", "hello")) !== "hello") throw new Error("messaging does not work");
  kv.set("own", "mine");
  objectStore.put("own", "mine");
  if (String.fromCharCode(...kv.get("own")) !== "mine" || String.fromCharCode(...objectStore.get("own")) !== "mine") throw new Error("stores do not work");

  const ways = (s) => ({
    publish: (to) => s.messaging.publish(to, "{}"),
    request: (to) => s.messaging.request(to, "{}", { timeout: 2000 }),
    many: (to) => s.messaging.requestMany(to, "{}", { timeout: 2000, maxMessages: 1 }),
    trace: (header) => s.messaging.publish("separation.traced", "{}", { headers: { [header]: "$NEX.events.default.forged" } }),
    read: (key) => s.kv.get(key),
    write: (key) => s.kv.set(key, "intruder"),
    fetch: (name) => s.objectStore.get(name),
    http: (url) => s.http.get(url, { timeout: 2000 }),
  });
  const reads = ["read", "fetch", "many"]; // which may return without anything
  const direct = ways(hostServices), promised = ways(hostServices.promises);
  const lines = [];
  for (const attempt of new TextDecoder().decode(payload).split("\n")) {
    const at = attempt.indexOf(" ");
    const verb = attempt.slice(0, at).replace(/^promised-/, "");
    const way = (attempt.startsWith("promised-") ? promised : direct)[verb];
    try {
      const got = await way(decodeURIComponent(attempt.slice(at + 1)));
      const nothing = reads.includes(verb) && (got === null || got.length === 0);
      lines.push(nothing ? `refused: ${attempt}: there is nothing` : `ESCAPED: ${attempt}`);
    } catch (e) {
      lines.push(`refused: ${attempt}: ${e.code} ${String(e.message).split("\n")[0]}`);
    }
  }
  const attempts = lines.length;
  return [...lines, `done: ${attempts}`].join("\n");
}
