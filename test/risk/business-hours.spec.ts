// Off hours: time zones, the two days a year on which the clock jumps, shifts over midnight.
import { createOffHoursTest } from '../../src/features/risk/business-hours.js';
import type { BusinessHours } from '../../src/features/risk/business-hours.js';

const day = { from: '08:00', to: '18:00' };
const berlin = { timeZone: 'Europe/Berlin', ...day };

describe('off hours', () => {
  it.each<[string, BusinessHours, string, boolean]>([
    ['a Monday at noon', { timeZone: 'UTC', ...day }, '2025-06-16T12:00:00Z', false],
    ['the first minute', { timeZone: 'UTC', ...day }, '2025-06-16T08:00:00Z', false],
    ['the minute before', { timeZone: 'UTC', ...day }, '2025-06-16T07:59:59.999Z', true],
    ['the last minute', { timeZone: 'UTC', ...day }, '2025-06-16T17:59:59.999Z', false],
    ['the minute after', { timeZone: 'UTC', ...day }, '2025-06-16T18:00:00Z', true],
    ['a Saturday', { timeZone: 'UTC', ...day }, '2025-06-14T12:00:00Z', true],
    ['a Saturday that is worked', { timeZone: 'UTC', ...day, days: [6] }, '2025-06-14T12:00:00Z', false],
    // UTC+2 in summer, UTC+1 in winter: the same local time.
    ['summer in Berlin', berlin, '2025-06-16T06:00:00Z', false],
    ['before it in summer', berlin, '2025-06-16T05:59:00Z', true],
    ['winter in Berlin', berlin, '2025-01-13T07:00:00Z', false],
    ['before it in winter', berlin, '2025-01-13T06:59:00Z', true],
    // The last Friday of winter time, and the Monday after the clock went forward on 30 March 2025.
    ['the day before the clock goes forward', berlin, '2025-03-28T06:30:00Z', true],
    ['the day after', berlin, '2025-03-31T06:30:00Z', false],
    // The clock goes back on 26 October 2025.
    ['the day before the clock goes back', berlin, '2025-10-24T06:30:00Z', false],
    ['the day after that', berlin, '2025-10-27T06:30:00Z', true],
    ['half an hour of difference', { timeZone: 'Asia/Kolkata', ...day }, '2025-06-16T02:30:00Z', false],
    ['the minute before it', { timeZone: 'Asia/Kolkata', ...day }, '2025-06-16T02:29:00Z', true],
    // Sunday in UTC, but Monday there.
    ['the day of the place', { timeZone: 'Pacific/Auckland', ...day }, '2025-06-15T21:00:00Z', false],
    ['all day', { timeZone: 'UTC', from: '00:00', to: '24:00' }, '2025-06-16T23:59:59Z', false],
    ['a night shift', { timeZone: 'UTC', from: '22:00', to: '06:00' }, '2025-06-16T23:00:00Z', false],
    ['its end', { timeZone: 'UTC', from: '22:00', to: '06:00' }, '2025-06-17T05:59:00Z', false],
    ['after it', { timeZone: 'UTC', from: '22:00', to: '06:00' }, '2025-06-17T06:00:00Z', true],
    ['the shift of Friday', { timeZone: 'UTC', from: '22:00', to: '06:00' }, '2025-06-21T03:00:00Z', false],
    ['no shift of Sunday', { timeZone: 'UTC', from: '22:00', to: '06:00' }, '2025-06-16T03:00:00Z', true],
  ])('%s', (_, hours, time, expected) => {
    const isOff = createOffHoursTest(hours);
    // Asked twice: the second answer is a remembered one, and so is that for another second of the minute.
    expect([isOff(Date.parse(time)), isOff(Date.parse(time))]).toEqual([expected, expected]);
  });

  it('are told for times in any order', () => {
    const isOff = createOffHoursTest({ timeZone: 'UTC', ...day });
    const times = ['2025-06-16T12:00:00Z', '2025-06-16T20:00:00Z', '2025-06-16T12:00:30Z'];
    expect(times.map((time) => isOff(Date.parse(time)))).toEqual([false, true, false]);
  });
});
