// Sends a request on a connection of its own, and takes whatever comes back.
import { request } from 'node:http';
import type { Agent, IncomingHttpHeaders } from 'node:http';

export interface Sent {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** The client leaves when it hears that the handler runs (102 Processing), or when the answer begins. */
  readonly leaves?: 'begun' | 'answering';
  readonly agent?: Agent;
}

export interface Answer {
  /** `undefined` where the connection broke before there was one. */
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly isWhole: boolean;
}

export function send(url: string, { path, leaves, body, ...more }: Sent): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(url + path, { agent: false, ...more }, (response) => {
      let text = '';
      const answer = (isWhole: boolean) =>
        resolve({ status: response.statusCode, headers: response.headers, body: text, isWhole });
      response.setEncoding('latin1');
      response.on('data', (chunk: string) => {
        text += chunk;
        if (leaves === 'answering') response.destroy();
      });
      response.on('close', () => answer(response.complete));
      response.on('error', () => undefined);
    });
    if (leaves === 'begun') sent.on('information', () => sent.destroy());
    sent.on('error', (error: NodeJS.ErrnoException) =>
      error.code === 'ECONNRESET'
        ? resolve({ status: undefined, headers: {}, body: '', isWhole: false })
        : reject(error),
    );
    sent.end(body);
  });
}
