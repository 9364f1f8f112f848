// One application that is measured: its process, its database, and a result for each round.
import { AskedProcess } from './asked-process.mjs';

/** Of a turn's requests, those more that come first and are not counted: it has rested while others had theirs. */
const WARM_UP = 0.5;
/** For the first turn of all, before anything is known: requests a second. */
const FIRST_GUESS = 3_000;

/**
 * @typedef {object} Result
 * @property {number} perSecond requests answered at saturation
 * @property {number} mainMicros of the main thread, that a request at saturation cost until its event was stored and sealed
 * @property {number} cpuMicros of all threads of the process
 * @property {number | undefined} databaseMicros of the database's server, for each; where nothing is stored it is what the server does anyway
 * @property {number} memoryMiB of the process, resident
 * @property {number} p50 milliseconds, at the pace of the round
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
  #server;
  #count;
  #perSecond = FIRST_GUESS;
  #before = { events: 0, numbers: 0, last: 0 };

  /**
   * @param {string} name
   * @param {'GET' | 'POST' | 'list' | 'row'} call what is asked of it
   * @param platform where it runs
   * @param server of its database
   * @param count of what is stored by now: rows of requests, and where they are numbered the different numbers of all, and
   *   the last of these; none where nothing is stored
   * @param {boolean} isOurs one that loses an event does not count; of others it is only said
   */
  constructor(name, call, platform, server, count, isOurs) {
    Object.assign(this, { name, call, isOurs });
    this.#process = new AskedProcess(platform.application, `the application (${name})`, platform.program);
    this.#server = server;
    this.#count = count;
  }

  async start(what) {
    this.#port = await this.#process.ask('start', what);
  }

  /**
   * One turn: as many requests as it can answer, first uncounted, then counted; then as many a second as it is told.
   *
   * @param clients the process that sends them
   * @param paceOf what to send a second then, by what it could answer
   * @returns what was wrong; then there is no result
   */
  async measure(round, clients, connections, seconds, paceOf) {
    const where = { port: this.#port, connections, call: this.call };
    const count = Math.ceil(this.#perSecond * seconds);
    const warm = await clients.ask('saturate', { ...where, count: Math.ceil(count * WARM_UP) });
    await this.#process.ask('settle');
    const before = await this.#usage();
    const busy = await clients.ask('saturate', { ...where, count });
    await this.#process.ask('settle');
    const settled = await this.#usage();
    this.#perSecond = busy.perSecond;

    const paced = await clients.ask('pace', { ...where, seconds, perSecond: paceOf(busy.perSecond) });
    await this.#process.ask('settle');

    const failed = warm.failed + busy.failed + paced.failed;
    const wrong = [
      ...(failed > 0 ? [`${failed} requests FAILED`] : []),
      ...(await this.compareStored(warm.answered + busy.answered + paced.answered)),
    ];
    if (wrong.length > 0 && this.isOurs) return wrong;
    this.results[round] = {
      perSecond: busy.perSecond,
      mainMicros: (settled.mainMicros - before.mainMicros) / busy.answered,
      cpuMicros: (settled.cpuMicros - before.cpuMicros) / busy.answered,
      databaseMicros: (settled.databaseMicros - before.databaseMicros) / busy.answered,
      memoryMiB: settled.memoryBytes / 2 ** 20,
      p50: paced.p50,
      p99: paced.p99,
      keptUp: paced.keptUp,
    };
    return wrong;
  }

  /** @returns {Promise<Record<string, number>>} microseconds of the main thread for each request, by whose function it is */
  async profile(clients, connections, seconds) {
    const count = Math.ceil(this.#perSecond * seconds);
    await this.#process.ask('startProfile');
    const { answered } = await clients.ask('saturate', {
      port: this.#port,
      connections,
      call: this.call,
      count,
    });
    const times = await this.#process.ask('stopProfile');
    return Object.fromEntries(Object.entries(times).map(([owner, micros]) => [owner, micros / answered]));
  }

  /** Compares what was stored since the last time with the requests answered since then. @returns what is wrong */
  async compareStored(answered) {
    this.answered += answered;
    if (!this.#count) return [];
    const now = await this.#count();
    const grown = (name) => now[name] - this.#before[name];
    const [events, numbers, last] = ['events', 'numbers', 'last'].map(grown);
    this.#before = now;
    this.stored += events;
    if (events < answered) return [`${answered - events} of ${answered} events LOST`];
    if (events > answered) return [`${events - answered} events MORE than the ${answered} requests`];
    // One lost and another doubled would not show in the count of them.
    if (numbers === events && last === events) return [];
    return [`${events} events with ${numbers} of ${last} numbers: some LOST, DOUBLED, or of no request`];
  }

  get storesNothing() {
    return !this.#count;
  }

  /** Returns once the application has ended. */
  async close() {
    await this.#process.ask('close');
    await this.#process.end();
  }

  async #usage() {
    const mainMicros = this.#process.mainThreadMicros();
    const databaseMicros = await this.#server.cpuMicros();
    return { ...(await this.#process.ask('usage')), mainMicros, databaseMicros };
  }
}
