// What is promised of speed, each as a figure of the results and its bound.

/** @typedef {import('./statistics.mjs').Figure} Figure */

/** @type {readonly { what: string, of: (results: any) => Figure | undefined, atLeast?: number, atMost?: number, digits: number }[]} */
export const BUDGETS = [
  {
    what: 'requests/s of a trivial handler, audited in `durable`, over the same server without audit',
    of: ({ requests }) => requests?.subjects.durable?.ratios.perSecond,
    atLeast: 0.9,
    digits: 2,
  },
  {
    what: 'main-thread CPU that an audited request adds, over what a bare one takes',
    of: ({ requests }) => requests?.subjects.durable?.addedShare,
    atMost: 0.1,
    digits: 2,
  },
  {
    what: 'events/s through `record()` to MariaDB, over raw `mysql2` multi-row INSERT of the same rows',
    of: ({ database }) => database?.mysql?.ratios.durable,
    atLeast: 0.8,
    digits: 2,
  },
  {
    what: 'added p99 in `durable` at half of saturation, milliseconds',
    of: ({ requests }) => requests?.subjects.durable?.added.p99,
    atMost: 1,
    digits: 2,
  },
];

/** @returns {boolean | undefined} nothing where it was not measured */
export function isMet(budget, results) {
  const figure = budget.of(results);
  if (!figure) return undefined;
  return budget.atLeast === undefined ? figure.median <= budget.atMost : figure.median >= budget.atLeast;
}
