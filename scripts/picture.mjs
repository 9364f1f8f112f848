// Draws the life of a request for the README, for light and for dark pages: `npm run docs:picture`.
import { writeFileSync } from 'node:fs';

/** Folders in which a request becomes an event, then those in which the event comes to rest; the answer leaves between the two rows. */
const ROWS = [
  [
    ['door', 'middleware, guards'],
    ['capture', 'record of the request'],
    ['recorder', 'judge, redact, bound'],
    ['journal', 'a line on the disk'],
  ],
  [
    ['delivery', 'batches, until stored'],
    ['store', 'SQL database'],
    ['sealer', 'Merkle log, checkpoint'],
    ['trail', 'find, verify, prove'],
  ],
];
const THEMES = {
  light: { text: '#1f2328', quiet: '#59636e', line: '#8c959f', box: '#f6f8fa', mark: '#0969da' },
  dark: { text: '#f0f6fc', quiet: '#9198a1', line: '#656c76', box: '#151b23', mark: '#4493f8' },
};
const BOX = { width: 168, height: 58, gap: 34, left: 20, rowHeight: 118, top: 44 };
const right = (column) => BOX.left + column * (BOX.width + BOX.gap) + BOX.width;

/** @returns {string} the picture as SVG */
export function draw({ text, quiet, line, box, mark }) {
  const parts = ROWS.flatMap((row, r) => row.flatMap(([name, does], c) => drawBox(name, does, r, c)));
  const last = right(3);
  const [first, second] = [0, 1].map((row) => BOX.top + row * BOX.rowHeight + BOX.height / 2);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${last + 110} 236" font-family="system-ui, sans-serif" font-size="13">`,
    `<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto"><path d="M0 0 8 4 0 8z" fill="${line}"/></marker></defs>`,
    `<text x="${BOX.left}" y="24" fill="${quiet}">request</text>`,
    ...parts,
    arrow(`M${last} ${first}H${last + 30}`),
    `<text x="${last + 36}" y="${first + 4}" fill="${mark}">answer</text>`,
    // From the journal down to delivery.
    arrow(
      `M${last - BOX.width / 2} ${first + BOX.height / 2}v30H${BOX.left + BOX.width / 2}V${second - BOX.height / 2}`,
    ),
    '</svg>\n',
  ].join('\n');

  function drawBox(name, does, row, column) {
    const x = BOX.left + column * (BOX.width + BOX.gap);
    const y = BOX.top + row * BOX.rowHeight;
    const middle = x + BOX.width / 2;
    return [
      ...(column > 0 ? [arrow(`M${x - BOX.gap} ${y + BOX.height / 2}H${x}`)] : []),
      `<rect x="${x}" y="${y}" width="${BOX.width}" height="${BOX.height}" rx="6" fill="${box}" stroke="${line}"/>`,
      `<text x="${middle}" y="${y + 25}" text-anchor="middle" font-weight="600" fill="${text}">${name}</text>`,
      `<text x="${middle}" y="${y + 44}" text-anchor="middle" fill="${quiet}">${does}</text>`,
    ];
  }

  function arrow(path) {
    return `<path d="${path}" fill="none" stroke="${line}" marker-end="url(#head)"/>`;
  }
}

for (const [name, theme] of Object.entries(THEMES))
  writeFileSync(`docs/life-of-a-request-${name}.svg`, draw(theme));
