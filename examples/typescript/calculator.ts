/// <reference path="../../guest/javascript/nex.d.ts" />

// A function in TypeScript with a local module: nex devrun bundles both.
//
//   nex devrun calculator.ts --trigger_subject='calc.*'
//   nats req calc.add '[1, 2, 3]'
import { operations } from "./operations";

const decoder = new TextDecoder();

export default (subject: string, payload: Uint8Array) => {
  const name = subject.split(".").at(-1) ?? "";
  const operation = operations[name];
  if (!operation) {
    throw Object.assign(new Error(`there is no operation ${name}: try ${Object.keys(operations).join(", ")}`), { code: 404 });
  }
  const numbers: unknown = JSON.parse(decoder.decode(payload));
  if (!Array.isArray(numbers) || !numbers.every((n): n is number => typeof n === "number") || numbers.length === 0) {
    throw Object.assign(new Error("send a JSON list of numbers"), { code: 400 });
  }
  return { operation: name, result: numbers.reduce(operation) };
};
