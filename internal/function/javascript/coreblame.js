// Results as JSON, and what to say of those that JSON cannot carry.

// Thrown for results that cannot be sent; there is but one, because only one call runs.
const unsendable = { message: '' };

function refuse(message) {
  unsendable.message = message;
  throw unsendable;
}

function jsonOf(value) {
  let text;
  try {
    text = stringify(value);
  } catch (e) {
    const culprit = blame(value, 'it', setPrototypeOf([], null));
    if (culprit === undefined) throw e;
    refuse(`the function's result cannot be sent as JSON: ${culprit}`);
  }
  if (text === undefined) refuse(`the function's result cannot be sent: it is ${nameOf(value)}`);
  return text;
}

function nameOf(value) {
  return typeof value === 'bigint' ? 'a BigInt, which a string can carry' : `a ${typeof value}`;
}

// Finds the first BigInt or cycle, for the error message; bounded, because a result can be large.
let steps = 0;
function blame(value, path, above) {
  if (above.length === 0) steps = 0;
  if (typeof value === 'bigint') return `${path} is ${nameOf(value)}`;
  if (value === null || typeof value !== 'object' || ++steps > 100000 || above.length > 200) return undefined;
  for (let i = 0; i < above.length; i++) {
    if (above[i] === value) return `${path} is one of the objects that contain it (a cycle)`;
  }
  above[above.length] = value;
  const keys = ownKeys(value);
  for (let i = 0; i < keys.length; i++) {
    if (typeof keys[i] !== 'string') continue;
    const found = blame(value[keys[i]], isArray(value) ? `${path}[${keys[i]}]` : `${path}.${keys[i]}`, above);
    if (found !== undefined) return found;
  }
  above.length--;
  return undefined;
}
