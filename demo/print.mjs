// How the demo shows events in a terminal.
import { styleText } from 'node:util';

const coloured = Boolean(process.stdout.isTTY) && !process.env.NO_COLOR;
const paint = (format, text) => (coloured && format ? styleText(format, text) : text);

const GOOD_OR_BAD = { success: 'green', partial: 'yellow', failure: 'red', high: 'magenta', critical: 'red' };

/** Each column: its title, and an event's text. */
const COLUMNS = [
  ['time', ({ timestamp }) => new Date(timestamp).toISOString().slice(11, 23)],
  ['outcome', ({ outcome }) => outcome],
  ['severity', ({ severity }) => severity],
  ['risk', ({ riskScore }) => String(riskScore).padStart(4)],
  ['status', ({ metadata }) => String(metadata.statusCode ?? '')],
  ['tenant', ({ tenantId }) => tenantId],
  ['user', ({ userId }) => userId ?? ''],
  ['action', ({ action }) => action],
  ['resource id', ({ resourceId }) => resourceId ?? ''],
  ['path', ({ metadata }) => metadata.path ?? ''],
  ['remark', ({ metadata }) => (metadata.aborted ? 'aborted' : (metadata.errorName ?? ''))],
  ['flags', ({ complianceFlags }) => complianceFlags.join(' ')],
];

export function printEvents(events) {
  const rows = events.map((event) => COLUMNS.map(([, text]) => text(event)));
  const widths = COLUMNS.map(([title], column) =>
    Math.max(title.length, ...rows.map((row) => row[column].length)),
  );
  const line = (cells, format) =>
    console.log(
      `  ${cells.map((cell, column) => paint(format(cell), cell.padEnd(widths[column]))).join('  ')}`.trimEnd(),
    );
  line(
    COLUMNS.map(([title]) => title),
    () => 'bold',
  );
  for (const row of rows) line(row, (cell) => GOOD_OR_BAD[cell]);
}

export function printStatistics(statistics) {
  const list = (counts) => counts.map(([name, count]) => `${count} ${name}`).join(', ');
  const { total, meanRiskScore, highRiskCount, topActions, topUsers } = statistics;
  console.log(`  outcome   ${list(Object.entries(statistics.byOutcome))}
  category  ${list(Object.entries(statistics.byCategory))}
  severity  ${list(Object.entries(statistics.bySeverity))}
  risk      ${meanRiskScore.toFixed(1)} on average, ${highRiskCount} of ${total} high
  actions   ${list(topActions.slice(0, 5).map(({ action, count }) => [action, count]))}, …
  users     ${list(topUsers.map(({ userId, count }) => [userId, count]))}`);
}

/** Where to go on from here, ready to paste. */
export function printUrls(url, { carol, bob }, file) {
  const curl = (who, path, more = '') => `  curl ${more}-H "Authorization: Bearer $${who}" '${url}${path}'`;
  console.log(`
The API stays up at ${url}; Ctrl-C ends it. Paste these lines into another terminal:

  CAROL=${carol}
  BOB=${bob}

  # acme's auditor reads: the newest events, grave failures, all about invoices, one invoice's history, the figures
${curl('CAROL', '/audit?limit=5')}
${curl('CAROL', '/audit?outcome=failure&minRiskScore=50')}
${curl('CAROL', '/audit?action=invoice.*&order=oldest')}
${curl('CAROL', '/invoices/INV-1004/history')}
${curl('CAROL', '/audit/statistics')}

  # do something, and read about it: bob approves, and may not read the audit
${curl('BOB', '/invoices/INV-1002/approve', '-X POST ')}
${curl('BOB', '/audit')}
  curl '${url}/nowhere'

  # alice, bob and carol @acme.example have the passwords alice-password, and so on
  curl -d '{"email":"alice@acme.example","password":"alice-password"}' -H 'Content-Type: application/json' ${url}/login

The events are in ${file}, to be read in the view audit_events_text, until this ends.`);
}
