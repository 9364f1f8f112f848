// Figures of several rounds: the median, and how far they are spread.

/**
 * @typedef {object} Figure
 * @property {number} median
 * @property {number} low the lower quartile
 * @property {number} high the upper quartile
 * @property {number} rounds that count
 * @property {number} [best] of the best round of each that it compares: the least time, the most requests. What else a shared machine does
 *   never makes anything faster
 */

/**
 * @param {readonly number[]} values
 * @param {number} [best]
 * @returns {Figure | undefined} nothing where no round counts
 */
export function figureOf(values, best) {
  if (values.length === 0) return undefined;
  const sorted = [...values].sort((a, b) => a - b);
  const [low, median, high] = [0.25, 0.5, 0.75].map(
    (share) => sorted[Math.round(share * (sorted.length - 1))],
  );
  return { median, low, high, rounds: values.length, ...(best !== undefined && { best }) };
}

/** @param {Figure | undefined} figure */
export function show(figure, digits = 2, unit = '') {
  if (!figure) return 'none';
  const [low, median, high] = ['low', 'median', 'high'].map((name) => figure[name].toFixed(digits));
  return low === high ? `${median}${unit}` : `${median}${unit} (${low} to ${high})`;
}
