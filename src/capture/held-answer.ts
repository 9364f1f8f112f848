import type { ServerResponse } from 'node:http';

/** Headers that belong to the answer that is withheld, and not to the one that takes its place. */
const OF_THE_ANSWER =
  /^(content-.*|accept-ranges|age|cache-control|etag|expires|last-modified|link|location|set-cookie|trailer|transfer-encoding|vary)$/;

/**
 * An answer that the application has ended and that has not left yet. To the application it looks as sent: it can
 * neither be changed nor ended a second time.
 */
export class HeldAnswer {
  private readonly statusCode: number;
  private readonly statusMessage: string;
  /** What the response itself had under the names that stand in its prototype's way now. */
  private readonly shadowed: [name: string, before: PropertyDescriptor | undefined][] = [];

  constructor(private readonly response: ServerResponse) {
    this.statusCode = response.statusCode;
    this.statusMessage = response.statusMessage;
    this.shadow('headersSent', true);
    this.shadow('writableEnded', true);
    this.shadow('write', () => false);
    this.shadow('flushHeaders', () => undefined);
    for (const name of ['writeHead', 'setHeader', 'setHeaders', 'appendHeader', 'removeHeader']) {
      this.shadow(name, () => {
        const error = new Error('Cannot set headers after they are sent to the client');
        throw Object.assign(error, { code: 'ERR_HTTP_HEADERS_SENT' });
      });
    }
  }

  /** Ends it as the application did. */
  release(end: () => void): void {
    this.letGo();
    end();
  }

  /**
   * Answers 503 in its place; where its head has left already, breaks the connection, so that nobody takes it for
   * complete.
   *
   * @param end Node's own
   */
  refuse(end: (body: string) => void): void {
    const { response } = this;
    this.letGo();
    if (response.headersSent) {
      response.destroy();
      return;
    }
    const body = JSON.stringify({
      statusCode: 503,
      code: 'AUDIT_UNAVAILABLE',
      error: 'Service Unavailable',
      carriedOut: true,
      message: 'The request was carried out, but its audit could not be confirmed in time.',
    });
    for (const name of response.getHeaderNames()) if (OF_THE_ANSWER.test(name)) response.removeHeader(name);
    response.statusCode = 503;
    response.statusMessage = 'Service Unavailable';
    response.setHeader('cache-control', 'no-store');
    response.setHeader('content-type', 'application/json; charset=utf-8');
    response.setHeader('content-length', Buffer.byteLength(body));
    end(body);
  }

  private shadow(name: string, value: unknown): void {
    this.shadowed.push([name, Object.getOwnPropertyDescriptor(this.response, name)]);
    Object.defineProperty(this.response, name, { value, configurable: true, writable: true });
  }

  private letGo(): void {
    const { response } = this;
    for (const [name, before] of this.shadowed) {
      if (before) Object.defineProperty(response, name, before);
      else delete (response as unknown as Record<string, unknown>)[name];
    }
    response.statusCode = this.statusCode;
    response.statusMessage = this.statusMessage;
  }
}
