/** Combines what has been calculated so far with the next number. */
export type Operation = (sofar: number, next: number) => number;

export const operations: Record<string, Operation> = {
  add: (a, b) => a + b,
  subtract: (a, b) => a - b,
  multiply: (a, b) => a * b,
};
