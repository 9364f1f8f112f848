// Requests a second of each way, over the bare application, as bars with whiskers from quartile to quartile.

const ROW = 26;
const LABELS = 250;
const WIDTH = 460;
const PLACES = [0, 0.25, 0.5, 0.75, 1];

/** @param {object} results as in `docs/operate/benchmarks.json` @returns an SVG that can be read on light and on dark ground */
export function renderPlot({ requests }) {
  const [platform] = Object.values(requests.platforms);
  const rows = Object.entries(platform.subjects)
    .filter(([, { ratios }]) => ratios.perSecond)
    .map(([name, { ratios }]) => ({ name, ...ratios.perSecond }));
  const height = rows.length * ROW + 50;
  const scale = WIDTH / Math.max(1.05, ...rows.map(({ high }) => high));
  const x = (value) => (LABELS + value * scale).toFixed(1);
  const grid = PLACES.map(
    (place) =>
      `<line class="grid" x1="${x(place)}" x2="${x(place)}" y1="24" y2="${height - 22}"/>` +
      `<text class="axis" x="${x(place)}" y="${height - 6}">${place}</text>`,
  );
  const bars = rows.map(({ name, median, low, high }, index) => {
    const top = 28 + index * ROW;
    const middle = top + ROW / 2 - 3;
    return [
      `<text class="label" x="${LABELS - 8}" y="${middle + 4}">${escape(name)}</text>`,
      `<rect class="${colourOf(name)}" x="${LABELS}" y="${top}" width="${(median * scale).toFixed(1)}" height="${ROW - 8}"/>`,
      `<line class="whisker" x1="${x(low)}" x2="${x(high)}" y1="${middle}" y2="${middle}"/>`,
      `<text class="value" x="${(LABELS + Math.max(high, median) * scale + 6).toFixed(1)}" y="${middle + 4}">${median.toFixed(2)}</text>`,
    ].join('\n');
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${LABELS + WIDTH + 60}" height="${height}" role="img" aria-label="Requests a second of each way to audit, over the bare application">
<style>
text { font: 12px system-ui, sans-serif; fill: #24292f }
.label { text-anchor: end } .axis { text-anchor: middle; fill: #6e7781 } .title { font-weight: 600 }
.grid { stroke: #8c959f; stroke-opacity: .35 } .whisker { stroke: #24292f; stroke-width: 1.5 }
.bare { fill: #8c959f } .own { fill: #2f81f7 } .other { fill: #d29922 }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .whisker { stroke: #e6edf3 } .axis { fill: #8b949e } }
</style>
<text class="title" x="8" y="16">Requests a second over the bare application, Node ${platform.node}, Nest ${platform.nest}: median, and the quartiles</text>
${grid.join('\n')}
${bars.join('\n')}
</svg>
`;
}

function colourOf(name) {
  if (/^(bare|floor)/.test(name)) return 'bare';
  return /^(buffered|durable|strict)/.test(name) ? 'own' : 'other';
}

function escape(text) {
  return text.replace(/[&<>]/g, (char) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[char]);
}
