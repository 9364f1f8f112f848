// Sends a request on a connection of its own, and takes whatever comes back.
import { request } from 'node:http';
import type { IncomingHttpHeaders } from 'node:http';

export interface Sent {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** The client leaves once something of the answer has come. */
  readonly leaves?: boolean;
}

export interface Answer {
  /** `undefined` where the connection broke before there was one. */
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly isWhole: boolean;
}

export function send(url: string, { method, path, headers = {}, body, leaves }: Sent): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(url + path, { method, agent: false, headers }, (response) => {
      let text = '';
      const answer = (isWhole: boolean) =>
        resolve({ status: response.statusCode, headers: response.headers, body: text, isWhole });
      response.setEncoding('latin1');
      response.on('data', (chunk: string) => {
        text += chunk;
        if (leaves) response.destroy();
      });
      response.on('close', () => answer(response.complete));
      response.on('error', () => undefined);
    });
    sent.on('error', (error: NodeJS.ErrnoException) =>
      error.code === 'ECONNRESET'
        ? resolve({ status: undefined, headers: {}, body: '', isWhole: false })
        : reject(error),
    );
    sent.end(body);
  });
}
