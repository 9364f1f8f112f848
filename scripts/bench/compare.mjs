// One run's ratios against another's.

/**
 * @typedef {object} Change
 * @property {string} name
 * @property {import('./statistics.mjs').Figure} before
 * @property {import('./statistics.mjs').Figure} now
 * @property {boolean} isWorse by more than the spread of either run
 */

/** Every ratio of the results by its name; more is better. */
function ratiosOf({ requests, database }) {
  const all = new Map();
  for (const [platform, { subjects }] of Object.entries(requests?.platforms ?? {})) {
    for (const [name, { ratios }] of Object.entries(subjects)) {
      if (ratios.perSecond) all.set(`requests/s, ${name} over bare on ${platform}`, ratios.perSecond);
    }
  }
  for (const [type, kind] of Object.entries(database ?? {})) {
    for (const [mode, figure] of Object.entries(kind.ratios ?? {})) {
      if (figure) all.set(`record(), ${mode} over the driver of ${type}`, figure);
    }
  }
  return all;
}

/** @returns {Change[]} of the ratios that both have */
export function compare(before, now) {
  const recorded = ratiosOf(before);
  return [...ratiosOf(now)].flatMap(([name, figure]) => {
    const then = recorded.get(name);
    if (!then) return [];
    const spread = Math.max(figure.high - figure.low, then.high - then.low);
    return [{ name, before: then, now: figure, isWorse: then.median - figure.median > spread }];
  });
}
