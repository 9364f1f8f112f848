// What each stage of an event's way costs by itself.
import { AskedProcess } from './asked-process.mjs';
import { figureOf } from './statistics.mjs';

export async function measurePipeline({ rounds, say }) {
  const stages = new AskedProcess('stages.mjs', 'the process of the stages');
  const times = await stages.ask('measure', rounds);
  await stages.end();
  const figures = Object.fromEntries(Object.entries(times).map(([name, values]) => [name, figureOf(values)]));
  for (const [name, { median }] of Object.entries(figures)) say(`pipeline: ${name} ${median.toFixed(2)} µs`);
  return { rounds, stages: figures };
}
