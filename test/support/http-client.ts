// Real HTTP clients: one that reads the whole answer, one that goes away, one that speaks through a bare socket.
import { Agent, request as httpRequest } from 'node:http';
import type { IncomingHttpHeaders } from 'node:http';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { once } from 'node:events';

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface Call {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string | string[]>>;
  readonly body?: string;
  readonly agent?: Agent;
  /** Milliseconds without a word after which the answer is not waited for any more. */
  readonly patienceMs?: number;
}

/** Sends the request and reads the answer to its end, or to where it broke. */
export function send(port: number, call: Call): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const client = httpRequest(
      {
        port,
        host: '127.0.0.1',
        method: call.method ?? 'GET',
        path: call.path,
        headers: {
          ...(call.body !== undefined && {
            'content-type': 'application/json',
            'content-length': Buffer.byteLength(call.body),
          }),
          ...call.headers,
        },
        agent: call.agent ?? new Agent({ keepAlive: false }),
      },
      (response) => {
        const chunks: Buffer[] = [];
        const done = () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(chunks).toString(),
          });
        response
          .on('data', (chunk: Buffer) => chunks.push(chunk))
          .on('end', done)
          .on('error', done);
      },
    );
    if (call.patienceMs !== undefined)
      client.setTimeout(call.patienceMs, () => client.destroy(new Error('no answer in time')));
    client.on('error', reject);
    client.end(call.body);
  });
}

/** A request whose client does not wait for the end. */
export interface Abandoned {
  /** The handler tells that it began (102 Processing). */
  readonly begun: Promise<void>;
  /** The connection is closed, by whomever. */
  readonly gone: Promise<void>;
}

/** Sends the request and destroys the connection when the handler has begun, when the answer has, or never. */
export function abandon(port: number, call: Call, when: 'begun' | 'answering' | 'never'): Abandoned {
  const client = httpRequest({
    port,
    host: '127.0.0.1',
    method: call.method ?? 'GET',
    path: call.path,
    headers: { ...call.headers },
    agent: new Agent({ keepAlive: false }),
  });
  const begun = new Promise<void>((resolve) => client.on('information', () => resolve()));
  const gone = new Promise<void>((resolve) =>
    client.on('error', () => undefined).on('close', () => resolve()),
  );
  if (when === 'begun') client.on('information', () => client.destroy());
  if (when === 'answering')
    client.on('response', (response) => response.once('data', () => client.destroy()));
  client.end();
  return { begun, gone };
}

/** Opens a bare connection. */
export async function dial(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  return socket;
}
