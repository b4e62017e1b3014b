/// <reference path="../../guest/javascript/nex.d.ts" />

// A function: its value is called with the subject and the payload of each message, and what it
// returns is the reply.
//
//   nex devrun echofunction.js --trigger_subject=js.echo
//   nats req js.echo heya

/** @type {NexFunction} */
(subject, payload) => {
  console.log(`${subject}: ${payload.length} bytes`);
  return payload;
};
