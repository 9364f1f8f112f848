import { filledList, group, integer, option, ruled } from '../../event/option-schema.js';

/** When people work: outside of it, an event is off hours. */
export interface BusinessHours {
  /** An IANA name, such as `Europe/Berlin`; its daylight saving time is followed. */
  readonly timeZone: string;
  /** Days of the week by ISO 8601, 1 for Monday to 7 for Sunday. @defaultValue `[1, 2, 3, 4, 5]` */
  readonly days?: readonly number[];
  /** Local time of the first minute, `'08:00'`. */
  readonly from: string;
  /** Local time of the first minute after, `'18:00'`; earlier than `from` for a shift that ends on the next day. */
  readonly to: string;
}

const MINUTE_MS = 60_000;
const WEEKDAYS = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'];

const time = option((value) => minuteOf(value) !== undefined, "hours and minutes, '08:00'");

export const businessHoursSchema = ruled(
  group(
    {
      timeZone: option(
        (value) => formatOf(value) !== undefined,
        "an IANA time zone, 'Europe/Berlin' or 'UTC'",
      ),
      days: filledList(integer(1, 7), 'a list of days, 1 for Monday to 7 for Sunday, [1, 2, 3, 4, 5]'),
      from: time,
      to: time,
    },
    {
      required: ['timeZone', 'from', 'to'],
      write: "{ timeZone: 'Europe/Berlin', from: '08:00', to: '18:00' }",
    },
  ),
  ({ from, to }: BusinessHours) =>
    minuteOf(from) === minuteOf(to)
      ? { at: ['to'], fault: `is "${to}": write a time other than from, '18:00'` }
      : undefined,
);

/** Answers whether a time (Unix epoch, milliseconds) is off hours. Local time is asked for once a minute. */
export function createOffHoursTest(hours: BusinessHours): (timestamp: number) => boolean {
  const from = minuteOf(hours.from)!;
  const to = minuteOf(hours.to)!;
  const days = new Set(hours.days ?? [1, 2, 3, 4, 5]);
  const format = formatOf(hours.timeZone)!;
  const isOff = (timestamp: number): boolean => {
    const { day, minute } = localTime(format, timestamp);
    if (from < to) return !(days.has(day) && minute >= from && minute < to);
    const yesterday = day === 1 ? 7 : day - 1;
    return !((days.has(day) && minute >= from) || (days.has(yesterday) && minute < to));
  };
  let known = { minute: Number.NaN, answer: false };
  return (timestamp) => {
    const minute = Math.floor(timestamp / MINUTE_MS);
    // Most events are of the same minute as the one before.
    if (minute !== known.minute) known = { minute, answer: isOff(minute * MINUTE_MS) };
    return known.answer;
  };
}

function localTime(format: Intl.DateTimeFormat, timestamp: number): { day: number; minute: number } {
  const parts = new Map(format.formatToParts(timestamp).map(({ type, value }) => [type, value]));
  return {
    day: WEEKDAYS.indexOf(parts.get('weekday') ?? '') + 1,
    minute: Number(parts.get('hour')) * 60 + Number(parts.get('minute')),
  };
}

/** @returns `undefined` for what is no IANA time zone */
function formatOf(timeZone: unknown): Intl.DateTimeFormat | undefined {
  if (typeof timeZone !== 'string' || timeZone === '') return undefined;
  try {
    return new Intl.DateTimeFormat('en-US', {
      timeZone,
      weekday: 'short',
      hour: '2-digit',
      minute: '2-digit',
      hourCycle: 'h23',
    });
  } catch {
    return undefined;
  }
}

/** Minutes since midnight; `24:00` is the end of the day. @returns `undefined` for what is no time */
function minuteOf(time: unknown): number | undefined {
  const match = typeof time === 'string' ? /^(?:([01]\d|2[0-3]):([0-5]\d)|(24):00)$/.exec(time) : null;
  return match ? Number(match[1] ?? match[3]) * 60 + Number(match[2] ?? 0) : undefined;
}
