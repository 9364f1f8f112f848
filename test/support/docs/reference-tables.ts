// The commands of the command line and the metrics, as the code has them.
import { METRICS } from '../../../src/features/metrics/report-metrics.js';
import { program } from '../../../src/cli/program.js';

/** A section for each command, with its options. */
export function commandSections(): string {
  const root = program(process, () => {});
  return root.commands
    .map((command) => {
      const rows = command.options.map(
        ({ flags, description }) => `| \`${flags}\` | ${shown(description)} |`,
      );
      const usage = [command.name(), ...command.registeredArguments.map((one) => `<${one.name()}>`)].join(
        ' ',
      );
      const options = ['| Option | What it does |', '| --- | --- |', ...rows].join('\n');
      return `## \`${usage}\`\n\n${sentence(shown(command.description()))}\n\n${options}`;
    })
    .join('\n\n');
}

/** So that Markdown shows `<path>`. */
const shown = (text: string) => text.replaceAll('<', '\\<');

const sentence = (text: string) => `${text[0]!.toUpperCase()}${text.slice(1)}.`;

const KINDS = {
  createObservableCounter: 'counter',
  createObservableUpDownCounter: 'up-down counter',
  createObservableGauge: 'gauge',
} as const;

export function metricsTable(): string {
  const rows = METRICS.map(
    ({ name, kind, unit, description }) =>
      `| \`${name}\` | ${KINDS[kind]}, \`${unit}\` | ${description.replace(/\.$/, '')} |`,
  );
  return ['| Metric | Kind, unit | What it tells |', '| --- | --- | --- |', ...rows].join('\n');
}
