// A function that tries to get at what is around it, and tells of each attempt as the other intruders do.
// The paths and addresses are in its input, a line each; addresses begin with "tcp/".
async (subject, payload) => {
  const lines = [];
  const attempt = async (name, does) => {
    try {
      const got = await does();
      lines.push(got === undefined || got === null ? `refused: ${name}: there is nothing` : `ESCAPED: ${name}: ${String(got).slice(0, 80)}`);
    } catch (e) {
      lines.push(`refused: ${name}: ${String(e).split("\n")[0]}`);
    }
  };
  const everywhere = (name) => [
    () => globalThis[name],
    () => (0, eval)(`typeof ${name} === "undefined" ? undefined : ${name}`),
    () => new Function(`return typeof ${name} === "undefined" ? undefined : ${name}`)(),
    () => attempt.constructor.constructor(`return typeof ${name} === "undefined" ? undefined : ${name}`)(),
    () => (async () => {}).constructor(`return typeof ${name} === "undefined" ? undefined : ${name}`)(),
    () => hostServices.http.get.constructor.constructor(`return typeof ${name} === "undefined" ? undefined : ${name}`)(),
  ];
  for (const name of [
    "require", "module", "Deno", "Bun", "XMLHttpRequest", "WebSocket", "Worker", "SharedWorker", "importScripts",
    "EventSource", "load", "read", "readFile", "readbuffer", "readline", "run", "quit", "os", "std", "d8", "gc", "Realm", "window", "self", "global", "navigator",
  ]) {
    for (const [i, way] of everywhere(name).entries()) {
      await attempt(`${name}, way ${i}`, way);
    }
  }
  for (const name of Object.getOwnPropertyNames(process)) {
    await attempt(`process.${name}`, () => (name === "env" ? undefined : process[name]));
  }
  for (const name of Object.keys(process.env)) {
    await attempt(`variable ${name}`, () => (/^NEX_/.test(name) ? undefined : name));
  }
  const targets = new TextDecoder().decode(payload).split("\n");
  for (const target of targets) {
    if (target.startsWith("tcp/")) {
      const url = `http://${target.slice(4)}/`;
      await attempt(`request ${url}`, () => hostServices.http.get(url));
      await attempt(`fetch ${url}`, () => fetch(url));
      await attempt(`request ${url} with a promise`, () => hostServices.promises.http.get(url));
      continue;
    }
    await attempt(`import ${target}`, () => import(target));
    await attempt(`import file://${target}`, () => import(`file://${target}`));
    await attempt(`request file://${target}`, () => hostServices.http.get(`file://${target}`));
  }
  for (const name of ["fs", "node:fs", "child_process", "node:net", "os", "std"]) {
    await attempt(`import ${name}`, () => import(name));
  }
  for (const url of [
    "http://localhost/", "http://[::1]/", "http://0/", "http://0x7f.1/", "http://2130706433/", "http://127.1/", "http://[::ffff:127.0.0.1]/",
    "http://169.254.169.254.:80/", "http://[::ffff:a9fe:a9fe]/",
  ]) {
    await attempt(`request ${url}`, () => hostServices.http.get(url));
  }
  for (const to of ["$NEX.PING", "$NEX.WPING.default", "$SYS.REQ.SERVER.PING", "$JS.API.INFO", "hostint.x.handshake", "agentint.x.ping", "$NEX.>"]) {
    await attempt(`message to ${to}`, () => hostServices.messaging.request(to, "{}", { timeout: 300 }));
  }
  for (const key of ["../../etc/passwd", "/etc/passwd", "../x.y"]) {
    await attempt(`value of ${key}`, () => hostServices.kv.get(key));
  }
  const attempts = lines.length;
  return [...lines, `done: ${attempts}`].join("\n");
}
