// Mutations that no longer find their line would be reported as nothing at all until somebody runs them.
import { existsSync, readFileSync } from 'node:fs';
import { MUTATIONS } from '../../scripts/mutations.mjs';

describe('each mutation of npm run test:mutations', () => {
  it.each(MUTATIONS)('$what', ({ file, from, specs }) => {
    expect(readFileSync(file, 'utf8').split(from)).toHaveLength(2);
    expect(specs.filter((spec) => !existsSync(spec))).toEqual([]);
  });
});
