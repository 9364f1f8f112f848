// Random moments that can be had again: the seed is told at the start of a run, and taken from AUDIT_FAULTS_SEED.
import { randomInt } from 'node:crypto';

export const SEED = Number(process.env['AUDIT_FAULTS_SEED'] ?? randomInt(2 ** 31));

/** A generator of its own for each scenario (mulberry32), so that one run alone draws the same numbers. */
export class Random {
  private state: number;

  constructor(scenario: string) {
    this.state = [...scenario].reduce(
      (state, letter) => Math.imul(state ^ letter.charCodeAt(0), 0x01000193),
      SEED,
    );
  }

  /** From `min` to `max`, both included. */
  integer(min: number, max: number): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.state ^ (this.state >>> 15), this.state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return min + (((mixed ^ (mixed >>> 14)) >>> 0) % (max - min + 1));
  }
}
