// What a program or a page in JavaScript does with NATS over a WebSocket.
import { wsconnect } from "@nats-io/nats-core";
import { call } from "document/call.mjs";

// prove takes the steps that it is given, and tells what came of each.
export async function prove({ servers, good, bad }) {
  const result = { refused: {} };
  if (good) {
    try {
      await talk(servers, good);
      result.service = await call(servers, good.user, good.pass, "app.service");
      result.function = await call(servers, good.user, good.pass, "app.function");
    } catch (e) {
      result.error = String(e?.stack ?? e);
    }
  }
  for (const [name, user] of Object.entries(bad ?? {})) {
    result.refused[name] = await refusal(servers, user);
  }
  return result;
}

// talk publishes and subscribes, requests and replies, and shares work in a queue group.
async function talk(servers, user) {
  const nc = await wsconnect({ servers, ...user, reconnect: false });
  const other = await wsconnect({ servers, ...user, reconnect: false });
  const news = nc.subscribe("app.js.news", { max: 1 });
  const answered = { anna: 0, bert: 0 };
  for (const worker of ["anna", "bert"]) {
    nc.subscribe("app.js.work", {
      queue: "workers",
      callback: (err, m) => {
        answered[worker]++;
        m.respond(m.data);
      },
    });
  }
  await nc.flush();
  other.publish("app.js.news", "good news");
  for await (const m of news) {
    expect(m.string(), "good news");
  }
  for (let i = 0; i < 40; i++) {
    expect((await other.request("app.js.work", `${i}`)).string(), `${i}`);
  }
  expect(answered.anna + answered.bert, 40);
  expect(answered.anna > 0 && answered.bert > 0, true);
  await nc.close();
  await other.close();
}

// refusal is why a user does not get in; it is empty for one who does.
async function refusal(servers, user) {
  try {
    const nc = await wsconnect({ servers, ...user, reconnect: false, timeout: 5000 });
    await nc.close();
    return "";
  } catch (e) {
    return String(e?.message ?? e);
  }
}

function expect(got, want) {
  if (got !== want) {
    throw new Error(`got ${got}, want ${want}`);
  }
}
