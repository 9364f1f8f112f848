// What is promised of speed, each as a figure of the results and its bound.

/** @typedef {import('./statistics.mjs').Figure} Figure */

/**
 * Of requests, on each platform.
 *
 * @type {readonly { what: string, of: (subjects: any) => Figure | undefined, atLeast?: number, atMost?: number, digits: number }[]}
 */
const REQUEST_BUDGETS = [
  {
    what: "main-thread CPU that a GET adds as far as the journal's line, over what the floor adds",
    of: (subjects) => subjects['to the journal']?.overFloor,
    atMost: 1.7,
    digits: 2,
  },
  {
    what: 'the same for a POST with a body',
    of: (subjects) => subjects['to the journal, POST']?.overFloor,
    atMost: 2.7,
    digits: 2,
  },
  {
    what: 'main-thread CPU that a `durable` GET adds, over what the floor adds',
    of: ({ durable }) => durable?.overFloor,
    atMost: 1.7,
    digits: 2,
  },
  {
    what: 'main-thread CPU that a `durable` POST with a body adds, over what the floor adds',
    of: (subjects) => subjects['durable, POST']?.overFloor,
    atMost: 2.7,
    digits: 2,
  },
  {
    what: 'CPU of the whole process that a `durable` GET adds, µs',
    of: ({ durable }) => durable?.added.cpuMicros,
    atMost: 48,
    digits: 0,
  },
  {
    what: 'requests/s of a trivial handler in `durable`, over bare',
    of: ({ durable }) => durable?.ratios.perSecond,
    atLeast: 0.4,
    digits: 2,
  },
  {
    what: 'requests/s of a handler that reads one row by TypeORM, over bare',
    of: (subjects) => subjects['durable, one row']?.ratios.perSecond,
    atLeast: 0.92,
    digits: 2,
  },
  {
    what: 'added p99 in `durable` at half of what it can do, ms',
    of: ({ durable }) => durable?.added.p99,
    atMost: 1,
    digits: 2,
  },
];

/** Of the database. */
const DATABASE_BUDGETS = [
  {
    what: 'events/s through `record()` to MariaDB, over raw `mysql2` multi-row INSERT of the same rows',
    of: ({ mysql }) => mysql?.ratios.durable,
    atLeast: 0.6,
    digits: 2,
  },
  {
    what: "MariaDB's CPU for each stored event, over the same raw INSERT",
    of: ({ mysql }) => mysql?.serverRatio,
    atMost: 1.5,
    digits: 2,
  },
];

/** Each budget with its figure, and the platform where it is of one. */
export function measured({ requests, database }) {
  const of = (budgets, results, platform) =>
    budgets.map((budget) => ({ ...budget, platform, figure: results && budget.of(results) }));
  const platforms = Object.entries(requests?.platforms ?? { '': undefined });
  return [
    ...platforms.flatMap(([platform, results]) => of(REQUEST_BUDGETS, results?.subjects, platform)),
    ...of(DATABASE_BUDGETS, database, ''),
  ];
}

/** @returns {boolean | undefined} nothing where it was not measured */
export function isMet({ figure, atLeast, atMost }) {
  if (!figure) return undefined;
  return atLeast === undefined ? judged(figure) <= atMost : judged(figure) >= atLeast;
}

/** What of a figure counts for its budget. @param {Figure} figure */
export function judged({ best, median }) {
  return best ?? median;
}
