// The pages on risk and detection say what the code does.
import {
  DETECTIONS,
  LOCAL_WINDOW_SECONDS,
  UNCOUNTED_EXPORT,
} from '../../src/features/detection/detections.js';
import { MAX_KEYS } from '../../src/features/detection/detection-options.js';
import { findingDraft, MAX_EVENT_IDS } from '../../src/features/detection/finding.js';
import { FINDING } from '../../src/features/detection/raised-events.js';
import { VALUES_REMEMBERED } from '../../src/features/risk/first-seen.js';
import { RISK_FACTORS } from '../../src/recorder/risk/risk-stage.js';
import { KEYS_REMEMBERED } from '../../src/features/risk/risk-memory.js';
import { BURST, CONTEXT_POINTS } from '../../src/features/risk/risk-context-options.js';
import { PRIVILEGED_ROLES } from '../../src/recorder/risk/risk-options.js';
import {
  HIGH_RISK_FROM,
  PRIVILEGED_ROLE_POINTS,
  RISK_POINTS,
  VOLUME_STEPS,
} from '../../src/recorder/risk/risk-points.js';
import { VOLUME_KEYS } from '../../src/recorder/risk/volume.js';
import { codeWords, Page } from '../support/docs/page.js';

describe('docs/record/risk.md', () => {
  const page = Page.read('docs/record/risk.md');

  it('has every factor with its points, in the order in which they are listed', () => {
    const rows = page.table('Factor', 'When').map(([factor, when, points]) => [factor, when, Number(points)]);
    const words = Object.entries(RISK_POINTS).flatMap(([factor, values]) =>
      Object.entries(values).map(([value, points]) => [factor, value, points]),
    );
    expect(rows).toEqual(words);
    const rest = page.table('Factor', 'Points').map(([factor, points]) => [factor, points] as const);
    const steps = VOLUME_STEPS.map(({ from, points }, index) =>
      index === 0 ? `${points} from ${from} records` : `${points} from ${from}`,
    );
    expect(Object.fromEntries(rest)).toEqual({
      privilegedRole: String(PRIVILEGED_ROLE_POINTS),
      volume: steps.join(', '),
      ...Object.fromEntries(Object.entries(CONTEXT_POINTS).map(([name, points]) => [name, String(points)])),
    });
    expect([...new Set([...rows, ...rest].map(([factor]) => factor))]).toEqual([
      ...RISK_FACTORS,
      ...Object.keys(CONTEXT_POINTS),
    ]);
    expect(page.text).toMatch(new RegExp(`\\b${HIGH_RISK_FROM} and more`));
  });

  it('has the defaults of the options', () => {
    const defaultsIn = (section: string) =>
      Object.fromEntries(
        page
          .section(section)
          .table('Option')
          .map(([name, value]) => [name, value!]),
      );
    const core = defaultsIn('Options');
    expect(codeWords(core['privilegedRoles']!)).toEqual(PRIVILEGED_ROLES);
    expect(codeWords(core['volumeKeys']!)).toEqual(VOLUME_KEYS);
    expect(Object.keys(core)).toEqual(['weights', 'privilegedRoles', 'volumeKeys']);
    const feature = defaultsIn('Options of the feature');
    expect(feature['burst']).toBe(`${BURST.events} events in ${BURST.seconds} seconds`);
    expect(Object.keys(feature)).toEqual(['weights', 'businessHours', 'burst', 'scorer']);
    const prose = page.text.replace(/\s+/g, ' ');
    expect(prose).toContain(`${BURST.events}th of its user within ${BURST.seconds} seconds`);
    expect(prose).toContain(
      `the last ${VALUES_REMEMBERED} addresses and devices of the ${KEYS_REMEMBERED.toLocaleString('en-US')} users`,
    );
  });
});

describe('docs/operate/detection.md', () => {
  const page = Page.read('docs/operate/detection.md');

  it('has every detection with its defaults', () => {
    const rows = page
      .table('Detection')
      .map(([name, by, , threshold, seconds, severity]) => [
        name,
        by,
        Number(threshold),
        Number(seconds),
        severity,
      ]);
    expect(rows).toEqual(
      DETECTIONS.map(({ name, ways, threshold, windowSeconds, severity }) => [
        name,
        ways.map(({ by }) => by).join(', '),
        threshold,
        windowSeconds,
        severity,
      ]),
    );
    for (const { name, option } of DETECTIONS) {
      expect(page.section('What each means').text).toContain(`**${name}**`);
      expect(codeWords(page.section('Options').text)).toContain(option);
    }
  });

  it('has what a finding has', () => {
    const { details } = findingDraft({
      detection: 'x',
      by: 'user',
      key: 'k',
      tenantId: 't',
      severity: 'low',
      count: 1,
      windowSeconds: 1,
      firstAt: 1,
      lastAt: 1,
      eventIds: [],
    });
    const named = Page.read('docs/reference/events.md')
      .table('In `details` of')
      .filter(([action]) => action === 'detection.*')
      .map(([, key]) => key!);
    expect(named.sort()).toEqual(Object.keys(details!).sort());
  });

  it('has the numbers of the code', () => {
    const prose = page.text.replace(/\s+/g, ' ');
    expect(FINDING.details.eventIds).toContain(`at most ${MAX_EVENT_IDS}, the one that reached`);
    expect(prose).toContain(`\`maxKeys\` (default ${MAX_KEYS})`);
    expect(prose).toContain(`A window of up to ${LOCAL_WINDOW_SECONDS} seconds`);
    expect(prose).toContain(`how many counts as ${UNCOUNTED_EXPORT.toLocaleString('en-US')}`);
  });
});
