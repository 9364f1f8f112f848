// What was measured of all applications, as Markdown: medians with their quartiles, of ratios and differences within a
// round.

/** The share of requests that has to be sent in time, for latencies to be of requests and not of a queue. */
const KEPT_UP = 0.97;

/** @param {import('./subject.mjs').Subject[]} subjects bare, buffered, durable, strict */
export function printTables(subjects, rounds) {
  const [bare, buffered, durable] = subjects;
  printTable(
    [
      'at saturation',
      'requests/s',
      'over bare',
      'CPU µs a request',
      'over bare',
      'cores used',
      'events left to store',
    ],
    subjects.map((subject) => [
      subject.mode,
      each(subject, 'perSecond', 0),
      ratio(subject, bare, 'perSecond'),
      each(subject, 'cpuMicros', 0),
      ratio(subject, bare, 'cpuMicros'),
      each(subject, 'cores', 2),
      subject === bare ? '' : each(subject, 'leftToStore', 2),
    ]),
  );
  printTable(
    [`at ${each(bare, 'pace', 0)} requests/s`, 'p50 ms', 'added', 'p99 ms', 'added', 'sent in time'],
    subjects.map((subject) => [
      subject.mode,
      each(subject, 'p50', 2),
      subject === bare ? '' : added(subject, bare, 'p50'),
      each(subject, 'p99', 2),
      subject === bare ? '' : added(subject, bare, 'p99'),
      each(subject, 'keptUp', 2),
    ]),
  );
  for (const subject of subjects) {
    const late = pairs(subject, subject).filter(([{ keptUp }]) => keptUp < KEPT_UP).length;
    if (late === 0) continue;
    console.log(
      `${subject.mode}: so many requests were more than it could answer in ${late} of ${rounds} rounds; there its latencies are those of a growing queue.\n`,
    );
  }
  printTable(
    ['durable over buffered', 'ratio', 'added ms'],
    [
      ['requests/s', ratio(durable, buffered, 'perSecond'), ''],
      ['CPU a request', ratio(durable, buffered, 'cpuMicros'), ''],
      ['p50', ratio(durable, buffered, 'p50'), added(durable, buffered, 'p50')],
      ['p99', ratio(durable, buffered, 'p99'), added(durable, buffered, 'p99')],
    ],
  );
  printTable(
    ['with the warm-up', 'events expected', 'events stored', 'rounds that count'],
    subjects
      .slice(1)
      .map((subject) => [
        subject.mode,
        subject.answered,
        subject.stored,
        `${pairs(subject, bare).length} of ${rounds}`,
      ]),
  );
}

/** The results of the rounds that count for both. The first warmed up. */
function pairs(subject, other) {
  return subject.results.flatMap((result, round) =>
    round > 0 && result && other.results[round] ? [[result, other.results[round]]] : [],
  );
}

function each(subject, name, digits) {
  return spread(
    pairs(subject, subject).map(([result]) => result[name]),
    digits,
  );
}

function ratio(subject, other, name) {
  return spread(
    pairs(subject, other).map(([one, two]) => one[name] / two[name]),
    2,
  );
}

function added(subject, other, name) {
  return spread(
    pairs(subject, other).map(([one, two]) => one[name] - two[name]),
    2,
  );
}

/** The median, and the quartiles. */
function spread(values, digits) {
  if (values.length === 0) return 'none';
  const sorted = [...values].sort((a, b) => a - b);
  const [low, middle, high] = [0.25, 0.5, 0.75].map((share) =>
    sorted[Math.round(share * (sorted.length - 1))].toFixed(digits),
  );
  return low === high ? middle : `${middle} (${low} to ${high})`;
}

function printTable(head, rows) {
  const lines = [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`);
  console.log(`${lines.join('\n')}\n`);
}
