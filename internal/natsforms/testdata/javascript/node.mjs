// The program for Node.js: its argument says what to prove, and it prints what came of it.
import { webcrypto } from "node:crypto";
import WebSocket from "ws";
import { prove } from "./talk.mjs";

// Old versions lack what browsers have.
globalThis.crypto ??= webcrypto;
globalThis.WebSocket ??= WebSocket;
console.log(JSON.stringify(await prove(JSON.parse(process.argv[2]))));
process.exit(0);
