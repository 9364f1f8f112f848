import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';

/** The response's own functions, by which it goes on. */
export interface ResponseFunctions {
  readonly end: (this: ServerResponse, ...args: unknown[]) => ServerResponse;
  readonly destroy: (this: ServerResponse, error?: Error) => ServerResponse;
  readonly write: (this: ServerResponse, ...args: unknown[]) => boolean;
  readonly flushHeaders: (this: ServerResponse) => void;
  readonly writeHead: (this: ServerResponse, ...args: unknown[]) => ServerResponse;
}

/** Headers that describe a body: those of the answer that is withheld are not true of the one that takes its place. */
const OF_THE_BODY =
  /^(content-(digest|disposition|encoding|language|length|location|md5|range|type)|accept-ranges|age|cache-control|digest|etag|expires|last-modified|repr-digest|trailer|transfer-encoding)$/;

function refuseHeaders(): never {
  const error = new Error('Cannot set headers after they are sent to the client');
  throw Object.assign(error, { code: 'ERR_HTTP_HEADERS_SENT' });
}

/** What a response has that was sent. */
const AS_SENT = {
  headersSent: true,
  writableEnded: true,
  write: () => false,
  flushHeaders: () => undefined,
  writeEarlyHints: () => undefined,
  writeHead: refuseHeaders,
  setHeader: refuseHeaders,
  setHeaders: refuseHeaders,
  appendHeader: refuseHeaders,
  removeHeader: refuseHeaders,
};

/**
 * Shows an answer that waits as sent: the application, which has ended it, can neither change it nor end it a second time.
 *
 * @returns what makes the response again as it was when the application had ended it
 */
export function showAsSent(response: ServerResponse): () => void {
  const { statusCode, statusMessage } = response;
  const shadowed = Object.entries(AS_SENT).map(([name, value]) => {
    const before = Object.getOwnPropertyDescriptor(response, name);
    Object.defineProperty(response, name, { value, configurable: true, writable: true });
    return [name, before] as const;
  });
  return () => {
    for (const [name, before] of shadowed) {
      if (before) Object.defineProperty(response, name, before);
      else delete (response as unknown as Record<string, unknown>)[name];
    }
    Object.assign(response, { statusCode, statusMessage });
  };
}

/**
 * Answers 503 instead of an answer of which nothing has left. Of the handler's headers none goes out.
 *
 * @param own the response's own functions: what others put before them would add to it, such as the cookie of a session
 * @param before the headers that were there before the handler ran
 */
export function refuseAnswer(
  response: ServerResponse,
  { writeHead, end }: ResponseFunctions,
  before: OutgoingHttpHeaders,
): void {
  const body = JSON.stringify({
    statusCode: 503,
    code: 'AUDIT_UNAVAILABLE',
    error: 'Service Unavailable',
    carriedOut: true,
    message: 'The request was carried out, but its audit could not be confirmed in time.',
  });
  const kept = Object.entries(before).filter(
    (header): header is [string, string | string[] | number] =>
      header[1] !== undefined && !OF_THE_BODY.test(header[0]),
  );
  const own = {
    'cache-control': 'no-store',
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(body),
  };
  if (response.headersSent) return refuseBySocket(response, [...kept, ...Object.entries(own)], body);
  for (const name of response.getHeaderNames()) response.removeHeader(name);
  for (const [name, value] of kept) response.setHeader(name, value);
  response.statusCode = 503;
  writeHead.call(response, 503, 'Service Unavailable', own);
  end.call(response, body);
}

/**
 * Node takes back no head that was written, as Fastify writes it before the end, although it is sent with the body. So this answer is
 * written to the connection itself, which is closed after it.
 */
function refuseBySocket(
  response: ServerResponse,
  headers: readonly [name: string, value: string | string[] | number][],
  body: string,
): void {
  const { socket, req } = response;
  // By HTTP/2 the head has left, and an answer that waits after others of its connection has none yet.
  if (!socket || typeof socket.end !== 'function' || req.httpVersionMajor !== 1) {
    response.destroy();
    return;
  }
  const lines = headers.flatMap(([name, values]) => [values].flat().map((value) => `${name}: ${value}`));
  const head = ['HTTP/1.1 503 Service Unavailable', ...lines, 'connection: close', '', ''].join('\r\n');
  response.statusCode = 503;
  socket.end(req.method === 'HEAD' ? head : head + body, 'latin1');
}
