// The clients of a measurement, in a process of their own: as many requests as the application can answer, or as many a
// second as they are told.
//
// For the latter autocannon has `overallRate`, but a connection then sends its share of each second at once and rests for
// what is left of it, which measures saturation again; and its latencies are whole milliseconds. So here requests leave
// evenly spaced, whether earlier ones are answered or not, each on the connection that has rested longest. One that
// finds none waits for it, and that is a part of its latency: an application that stalls keeps nobody from asking.
import autocannon from 'autocannon';
import { once } from 'node:events';
import { connect } from 'node:net';
import { answerQuestions } from './answers.mjs';

const REQUESTS = {
  GET: { method: 'GET', path: '/things/7' },
  list: { method: 'GET', path: '/things' },
  row: { method: 'GET', path: '/things/rows/7' },
  POST: {
    method: 'POST',
    path: '/things',
    headers: { 'content-type': 'application/json' },
    body: '{"name":"a thing"}',
  },
};
const TICK_MS = 1;
/** A connection that has waited for an answer for so long has none. */
const PATIENCE_MS = 30_000;

answerQuestions({ saturate, pace });

/**
 * Each connection sends its next request when it has the answer to the one before. A number of requests rather than a
 * time, at whose end some would be cut off.
 *
 * @param count at least; a multiple of the connections is sent
 */
async function saturate({ port, connections, call, count }) {
  const run = autocannon({
    url: `http://127.0.0.1:${port}`,
    connections,
    amount: Math.ceil(count / connections) * connections,
    requests: [REQUESTS[call]],
    timeout: PATIENCE_MS / 1_000,
    bailout: connections,
    // The run ends with a sample.
    sampleInt: 100,
  });
  let begun;
  let last;
  run.on('start', () => (begun = performance.now()));
  run.on('response', () => (last = performance.now()));
  const { '2xx': succeeded, non2xx, errors } = await run;
  return {
    answered: succeeded + non2xx,
    failed: non2xx + errors,
    perSecond: (succeeded + non2xx) / ((last - begun) / 1_000),
  };
}

/** So many requests a second, however long each takes. @returns their latencies, in milliseconds */
async function pace({ port, connections, call, perSecond, seconds }) {
  const total = Math.ceil(perSecond * seconds);
  const dueAt = new Float64Array(total);
  const latencies = new Float64Array(total);
  const idle = await Promise.all(Array.from({ length: connections }, () => Connection.open(port)));
  const all = [...idle];
  let due = 0;
  let sent = 0;
  let answered = 0;
  let failed = 0;
  let inTime = 0;
  const begun = performance.now();
  try {
    await new Promise((resolve, reject) => {
      const ticks = setInterval(() => {
        const now = performance.now();
        const dueNow = Math.min(total, Math.floor(((now - begun) / 1_000) * perSecond));
        // Due from this tick on: that it comes late is not the application's fault.
        dueAt.fill(now, due, dueNow);
        due = dueNow;
        send();
        if (due < total) return;
        clearInterval(ticks);
        inTime = sent;
      }, TICK_MS);

      function send() {
        while (sent < due && idle.length > 0) {
          const number = sent;
          const connection = idle.shift();
          connection.request(call).then((isGood) => {
            latencies[number] = performance.now() - dueAt[number];
            answered += 1;
            if (!isGood) failed += 1;
            idle.push(connection);
            if (answered === total) resolve();
            else send();
          }, reject);
          sent += 1;
        }
      }
    });
  } finally {
    for (const connection of all) connection.close();
  }
  latencies.sort();
  const quantile = (share) => latencies[Math.round(share * (total - 1))];
  return { answered, failed, p50: quantile(0.5), p99: quantile(0.99), keptUp: inTime / total };
}

/** A client with as little work of its own as possible: it knows no more of HTTP than these answers need. */
class Connection {
  #socket;
  #text = '';
  #settle;

  static async open(port) {
    const socket = connect(port, '127.0.0.1').setNoDelay().setEncoding('latin1');
    await once(socket, 'connect');
    return new Connection(socket);
  }

  constructor(socket) {
    this.#socket = socket;
    socket.on('data', (chunk) => this.#read(chunk));
    socket.on('error', (error) => this.#settle?.reject(error));
    socket.on('close', () => this.#settle?.reject(new Error('the application closed the connection')));
    socket.setTimeout(PATIENCE_MS, () => socket.destroy(new Error('no answer in time')));
  }

  /** @returns whether the answer says success */
  request(call) {
    return new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
      if (this.#socket.destroyed) reject(new Error('the application closed the connection'));
      else this.#socket.write(REQUEST_TEXTS[call]);
    });
  }

  close() {
    this.#settle = undefined;
    this.#socket.destroy();
  }

  #read(chunk) {
    this.#text += chunk;
    const head = this.#text.indexOf('\r\n\r\n');
    if (head < 0) return;
    const length = /\r\ncontent-length: (\d+)/i.exec(this.#text)?.[1];
    if (length === undefined) return this.#settle.reject(new Error(`no length: ${this.#text}`));
    if (this.#text.length < head + 4 + Number(length)) return;
    const isGood = this.#text.startsWith('HTTP/1.1 2');
    this.#text = '';
    this.#settle.resolve(isGood);
  }
}

const REQUEST_TEXTS = Object.fromEntries(
  Object.entries(REQUESTS).map(([name, { method, path, headers = {}, body = '' }]) => [
    name,
    [
      `${method} ${path} HTTP/1.1`,
      'host: 127.0.0.1',
      'connection: keep-alive',
      ...Object.entries(headers).map(([header, value]) => `${header}: ${value}`),
      ...(body === '' ? [] : [`content-length: ${body.length}`]),
      '',
      body,
    ].join('\r\n'),
  ]),
);
