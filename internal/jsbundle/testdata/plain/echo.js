// A plain script, with a tab,	and no line break at its end.
(subject, payload) => {
  return payload
}