// The script of the web page: the server that it comes from says what to prove, and is told what came of it.
import { prove } from "./talk.mjs";

const task = await (await fetch("/task")).json();
await fetch("/result", { method: "POST", body: JSON.stringify(await prove(task)) });
