// The bench's own arithmetic, that its page says what its figures say, and that its smallest part runs.
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { isMet, measured } from '../../scripts/bench/budgets.mjs';
import { compare } from '../../scripts/bench/compare.mjs';
import { renderPlot } from '../../scripts/bench/plot.mjs';
import { renderPage } from '../../scripts/bench/report.mjs';
import { figureOf, show } from '../../scripts/bench/statistics.mjs';

const recorded = JSON.parse(readFileSync('docs/operate/benchmarks.json', 'utf8')) as Record<string, never>;

const withRatio = (...values: number[]) => ({
  requests: {
    platforms: { some: { subjects: { durable: { added: {}, ratios: { perSecond: figureOf(values) } } } } },
  },
});

describe('the bench', () => {
  it('tells medians and quartiles', () => {
    expect(figureOf([5, 1, 2, 4, 3])).toEqual({ median: 3, low: 2, high: 4, rounds: 5 });
    expect(figureOf([])).toBeUndefined();
    expect(show(figureOf([1, 2, 3]), 1)).toBe('2.0 (2.0 to 3.0)');
    expect(show(figureOf([2, 2, 2]), 0)).toBe('2');
    expect(show(undefined)).toBe('none');
  });

  it('calls a ratio worse that fell by more than either spread', () => {
    const isWorse = (before: number[], now: number[]) =>
      compare(withRatio(...before), withRatio(...now)).map((change) => change.isWorse);
    expect(isWorse([0.8, 0.81, 0.82], [0.7, 0.71, 0.72])).toEqual([true]);
    expect(isWorse([0.8, 0.81, 0.82], [0.6, 0.78, 0.85])).toEqual([false]);
    expect(isWorse([0.6, 0.81, 0.95], [0.7, 0.71, 0.72])).toEqual([false]);
    expect(isWorse([0.7, 0.71, 0.72], [0.8, 0.81, 0.82])).toEqual([false]);
    // What only one of the two has can't be compared.
    expect(compare(withRatio(1), {})).toEqual([]);
  });

  it('knows whether a budget is met, and that one was not measured', () => {
    const isMetBy = (value?: number) => {
      const budgets = measured(value === undefined ? {} : withRatio(value));
      return isMet(budgets.find(({ what }) => what.startsWith('requests/s of a trivial handler'))!);
    };
    expect(isMetBy(0.4)).toBe(true);
    expect(isMetBy(0.39)).toBe(false);
    expect(isMetBy()).toBeUndefined();
    // Other load only makes slower: the best round of each counts.
    const noisy = { what: 'any', figure: figureOf([0.3, 0.35, 0.38], 0.41)!, atLeast: 0.4 };
    expect(isMet(noisy)).toBe(true);
  });

  it('wrote docs/operate/benchmarks.md and its plot from docs/operate/benchmarks.json', () => {
    expect(readFileSync('docs/operate/benchmarks.md', 'utf8')).toBe(renderPage(recorded));
    expect(readFileSync('docs/operate/benchmarks.svg', 'utf8')).toBe(renderPlot(recorded));
  });

  it('has a line for each budget of the recorded figures in docs/operate/performance.md', () => {
    const page = readFileSync('docs/operate/performance.md', 'utf8');
    const unmet = measured(recorded).filter((budget) => isMet(budget) === false);
    expect(unmet.filter(({ what }) => !page.includes(what))).toEqual([]);
  });

  it('runs', async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [
      'scripts/bench.mjs',
      '--only',
      'pipeline',
      '--quick',
      '--rounds',
      '3',
    ]);
    expect(stdout).toContain('| build from the request |');
    expect(stdout).toContain('| not measured |');
  });
});
