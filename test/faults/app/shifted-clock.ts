// Shifts the clock that this process sees, and no other's.

const RealDate = Date;
let shiftMs = 0;

class ShiftedDate extends RealDate {
  constructor(...values: unknown[]) {
    if (values.length === 0) super(RealDate.now() + shiftMs);
    else super(...(values as [number]));
  }

  static override now(): number {
    return RealDate.now() + shiftMs;
  }
}

/** From now on the time of day is `ms` later than the machine's. Monotonic clocks go on, as they do in a real step. */
export function shiftClock(ms: number): void {
  shiftMs = ms;
  globalThis.Date = ShiftedDate as DateConstructor;
}
