// Answers with the call's number, after it has published it for those who count how often a call was executed.
(subject, payload) => {
  hostServices.messaging.publish('ledger', payload);
  return payload;
};
