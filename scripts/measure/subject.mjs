// One application that is measured: its process, its database, and a result for each round.
import { performance } from 'node:perf_hooks';
import { AskedProcess } from './asked-process.mjs';

/** For the first turn of all, before anything is known: requests a second. */
const FIRST_GUESS = 1_000;

/**
 * @typedef {object} Result
 * @property {number} perSecond requests answered at saturation
 * @property {number} cpuMicros of all processors, that a request at saturation cost the process until all was sealed
 * @property {number} cores that the process used while it answered
 * @property {number} leftToStore events for each request that were not stored when the last one was answered
 * @property {number} pace requests a second, at which the following were found
 * @property {number} p50 milliseconds
 * @property {number} p99
 * @property {number} keptUp of these requests, the share that had found a connection when the last was due
 */

export class Subject {
  /** @type {(Result | undefined)[]} by the number of the round; the first, 0, warms up. None where it does not count */
  results = [];
  answered = 0;
  stored = 0;
  #process;
  #port;
  #count;
  #perSecond = FIRST_GUESS;
  #before = { events: 0, numbers: 0, last: 0 };

  /** @param count of what is stored by now: events of requests, the different numbers of all, and the last of
   *   these; none without audit */
  constructor(mode, count) {
    this.mode = mode;
    this.#process = new AskedProcess('application.mjs', `the application (${mode})`);
    this.#count = count;
  }

  /** @param options of the audit, `undefined` for none */
  async start(options) {
    this.#port = await this.#process.ask('start', options);
  }

  /**
   * One turn: as many requests as it can answer, then as many a second as it is told.
   *
   * @param clients the process that sends them
   * @param paceOf what to send then, by what it could answer
   * @returns what was wrong; then there is no result
   */
  async measure(round, clients, connections, seconds, paceOf) {
    const where = { port: this.#port, connections };
    const before = await this.#process.ask('usage');
    const begun = performance.now();
    const count = Math.ceil(this.#perSecond * seconds);
    const busy = await clients.ask('saturate', { ...where, count });
    const tookMicros = (performance.now() - begun) * 1_000;
    const answering = await this.#process.ask('usage');
    await this.#process.ask('settle');
    const settled = await this.#process.ask('usage');
    this.#perSecond = busy.perSecond;

    const pace = paceOf(busy.perSecond);
    const paced = await clients.ask('pace', { ...where, seconds, perSecond: pace });
    await this.#process.ask('settle');

    const failed = busy.failed + paced.failed;
    const wrong = [
      ...(failed > 0 ? [`${failed} requests FAILED`] : []),
      ...(await this.compareStored(busy.answered + paced.answered)),
    ];
    if (wrong.length > 0) return wrong;
    this.results[round] = {
      perSecond: busy.perSecond,
      cpuMicros: (settled.cpuMicros - before.cpuMicros) / busy.answered,
      cores: (answering.cpuMicros - before.cpuMicros) / tookMicros,
      leftToStore: answering.pending / busy.answered,
      pace,
      p50: paced.p50,
      p99: paced.p99,
      keptUp: paced.keptUp,
    };
    return [];
  }

  /** Compares what was stored since the last time with the requests answered since then. @returns what is wrong */
  async compareStored(answered) {
    if (!this.#count) return [];
    const now = await this.#count();
    const grown = (name) => now[name] - this.#before[name];
    const [events, numbers, last] = ['events', 'numbers', 'last'].map(grown);
    this.#before = now;
    this.answered += answered;
    this.stored += events;
    if (events < answered) return [`${answered - events} of ${answered} events LOST`];
    if (events > answered) return [`${events - answered} events MORE than the ${answered} requests`];
    // One lost and another doubled would not show in the count of them.
    if (numbers === events && last === events) return [];
    return [`${events} events with ${numbers} of ${last} numbers: some LOST, DOUBLED, or of no request`];
  }

  /** Returns once the application has ended. */
  async close() {
    await this.#process.ask('close');
    await this.#process.end();
  }
}
