import { checkInteger, checkNames, wrongOption } from '../../recorder/risk/option-check.js';

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

/**
 * Answers whether a time (Unix epoch, milliseconds) is off hours. Local time is asked for once a minute.
 *
 * @throws AuditError `AUDIT_INVALID_OPTIONS`
 */
export function createOffHoursTest(hours: BusinessHours, path: string): (timestamp: number) => boolean {
  checkNames(path, hours, ['timeZone', 'days', 'from', 'to']);
  const from = minuteOf(hours.from, `${path}.from`);
  const to = minuteOf(hours.to, `${path}.to`);
  if (from === to) throw wrongOption(`${path}.to`, hours.to, `a time other than ${path}.from, '18:00'`);
  const days = daysOf(hours.days, `${path}.days`);
  const format = formatOf(hours.timeZone, `${path}.timeZone`);
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

function formatOf(timeZone: unknown, path: string): Intl.DateTimeFormat {
  const write = "an IANA time zone, 'Europe/Berlin' or 'UTC'";
  if (typeof timeZone !== 'string' || timeZone === '') throw wrongOption(path, timeZone, write);
  try {
    return new Intl.DateTimeFormat('en-US', {
      timeZone,
      weekday: 'short',
      hour: '2-digit',
      minute: '2-digit',
      hourCycle: 'h23',
    });
  } catch {
    throw wrongOption(path, timeZone, write);
  }
}

/** Minutes since midnight; `24:00` is the end of the day. */
function minuteOf(time: unknown, path: string): number {
  const match = typeof time === 'string' ? /^(?:([01]\d|2[0-3]):([0-5]\d)|(24):00)$/.exec(time) : null;
  if (!match) throw wrongOption(path, time, "hours and minutes, '08:00'");
  return Number(match[1] ?? match[3]) * 60 + Number(match[2] ?? 0);
}

function daysOf(days: unknown, path: string): ReadonlySet<number> {
  if (days === undefined) return new Set([1, 2, 3, 4, 5]);
  if (!Array.isArray(days) || days.length === 0) {
    throw wrongOption(path, days, 'a list of days, 1 for Monday to 7 for Sunday, [1, 2, 3, 4, 5]');
  }
  return new Set(days.map((day, index) => checkInteger(`${path}.${index}`, day, 1, 7)));
}
