import { ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import { types } from 'node:util';
import type { ResponseFunctions } from './held-answer.js';
import type { RequestCapture } from './request-capture.js';

/** Who is told what becomes of a response. */
export interface ResponseWatcher {
  /** Nothing leaves any more. */
  readonly isFrozen: boolean;
  /** It begins to leave before it is ready. */
  noteBeginning(capture: RequestCapture): void;
  /** It is ready. @returns what it has to wait for, whether it may leave then; `undefined` where it need not wait */
  noteAnswer(capture: RequestCapture): Promise<boolean> | undefined;
  /** It waits. @param args what `end()` was called with */
  hold(capture: RequestCapture, safe: Promise<boolean>, args: readonly unknown[]): void;
  /** It has left, or its connection is gone. */
  noteClosed(capture: RequestCapture): void;
}

const NODES = ServerResponse.prototype as unknown as ResponseFunctions;
const WATCHED = Symbol('nest-audit-trail');

interface Watched {
  readonly capture: RequestCapture;
  readonly watcher: ResponseWatcher;
  readonly own: ResponseFunctions;
}

/** What the functions are called on: a response that is watched, unless somebody borrows them for another. */
interface WatchedResponse extends ServerResponse {
  [WATCHED]?: Watched;
}

/**
 * Watches a response until it closes: when its answer is ready, before its last byte is handed to the socket. What is put on
 * it is the same for all of them, so that a request pays for no function of its own.
 *
 * @param fromItsBeginning also when a part of it leaves before the whole is ready
 * @returns the functions that the response had
 */
export function watchResponse(
  capture: RequestCapture,
  watcher: ResponseWatcher,
  fromItsBeginning: boolean,
): ResponseFunctions {
  const response = capture.response as WatchedResponse;
  const own = {
    end: response.end,
    destroy: response.destroy,
    write: response.write,
    flushHeaders: response.flushHeaders,
    writeHead: response.writeHead,
  } as unknown as ResponseFunctions;
  response[WATCHED] = { capture, watcher, own };
  response.end = end as ServerResponse['end'];
  response.destroy = destroy;
  response.writeHead = writeHead as ServerResponse['writeHead'];
  if (fromItsBeginning) {
    response.write = write as ServerResponse['write'];
    response.flushHeaders = flushHeaders;
  }
  response.on('pipe', notePipe);
  // Once everything is handed to the operating system nothing can change the outcome; without that it closes.
  response.on('finish', noteClosed);
  response.on('close', noteClosed);
  return own;
}

function end(this: WatchedResponse, chunk?: unknown, encoding?: unknown, callback?: unknown): ServerResponse {
  const watched = this[WATCHED];
  if (!watched) return NODES.end.call(this, chunk, encoding, callback);
  const { capture, watcher, own } = watched;
  // Ended a second time while the first end has not left: what Node would ignore.
  if (capture.held || watcher.isFrozen) return this;
  // Node throws it back at its sender, who may answer otherwise.
  if (!isSendable(chunk)) return own.end.call(this, chunk, encoding, callback);
  const safe = watcher.noteAnswer(capture);
  if (safe) watcher.hold(capture, safe, [chunk, encoding, callback]);
  else {
    own.end.call(this, chunk, encoding, callback);
    capture.noteSent();
  }
  return this;
}

function destroy(this: WatchedResponse, error?: Error): ServerResponse {
  const watched = this[WATCHED];
  watched?.capture.noteDestroyed(error);
  return (watched?.own ?? NODES).destroy.call(this, error);
}

function write(this: WatchedResponse, ...args: unknown[]): boolean {
  const watched = this[WATCHED];
  if (watched) watched.watcher.noteBeginning(watched.capture);
  return (watched?.own ?? NODES).write.apply(this, args);
}

function flushHeaders(this: WatchedResponse): void {
  const watched = this[WATCHED];
  if (watched) watched.watcher.noteBeginning(watched.capture);
  (watched?.own ?? NODES).flushHeaders.call(this);
}

/** By this every status leaves: Node calls it itself where nobody else does. */
function writeHead(this: WatchedResponse, ...args: unknown[]): ServerResponse {
  const watched = this[WATCHED];
  const answered = (watched?.own ?? NODES).writeHead.apply(this, args);
  // Not reached where the head can't be written.
  watched?.capture.noteHead();
  return answered;
}

function notePipe(this: WatchedResponse, source: Readable): void {
  this[WATCHED]?.capture.watchSource(source);
}

function noteClosed(this: WatchedResponse): void {
  const watched = this[WATCHED];
  if (watched && !watched.capture.closed) watched.watcher.noteClosed(watched.capture);
}

/** What `end()` takes as its first argument: a chunk, a callback, or nothing. */
function isSendable(chunk: unknown): boolean {
  return (
    chunk === undefined ||
    chunk === null ||
    typeof chunk === 'string' ||
    typeof chunk === 'function' ||
    types.isUint8Array(chunk)
  );
}
