// The functions that are put on a response. They are the same for all of them, so that a request pays for no function of its own, and
// they work on a response that somebody else calls them for.
import { ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import { types } from 'node:util';
import { showAsSent, refuseAnswer } from './waiting-answer.js';
import type { ResponseFunctions } from './waiting-answer.js';
import { isInjected, noteError, noteSent, followStream } from './request-record.js';
import type { RequestRecord } from './request-record.js';

export interface ResponseObserver {
  /** No answer leaves any more. */
  readonly isFrozen: boolean;
  /** @returns what the answer has to wait for, and whether it may leave then; `undefined` where it need not wait */
  answer(record: RequestRecord): Promise<boolean> | undefined;
  /** A part of the answer is about to leave before the whole is ready. */
  stream(record: RequestRecord): void;
  /** The answer has left, or its connection is gone. */
  close(record: RequestRecord): void;
}

const NODES = ServerResponse.prototype as unknown as ResponseFunctions;
/** Under which a request, and its response, have what audits them. A weak map would cost each request more than all of this. */
export const AUDITED = Symbol('nest-audit-trail');

interface AuditedResponse extends ServerResponse {
  [AUDITED]?: { readonly record: RequestRecord; readonly audit: ResponseObserver };
}

/** @param streams also what tells that a part of the answer leaves before the whole is ready */
export function wrapResponse(
  response: AuditedResponse,
  wrapped: NonNullable<AuditedResponse[typeof AUDITED]>,
  streams: boolean,
): void {
  // First of all: the functions that are put there need it.
  wrapped.record.unwrapped = {
    end: response.end,
    destroy: response.destroy,
    write: response.write,
    flushHeaders: response.flushHeaders,
    writeHead: response.writeHead,
  } as unknown as ResponseFunctions;
  response[AUDITED] = wrapped;
  response.end = end as ServerResponse['end'];
  response.destroy = destroy;
  response.writeHead = writeHead as ServerResponse['writeHead'];
  if (streams) {
    response.write = write as ServerResponse['write'];
    response.flushHeaders = flushHeaders;
  }
  response.on('pipe', notePipe);
  // Once everything is handed to the operating system nothing can change the outcome; without that it closes.
  response.on('finish', noteFinished);
  response.on('close', noteClosed);
}

function end(this: AuditedResponse, ...args: unknown[]): ServerResponse {
  const { record, audit } = this[AUDITED] ?? {};
  if (!record || !audit) return NODES.end.apply(this, args);
  // Ended a second time while the first end has not left: what Node would ignore.
  if (record.isWaiting || audit.isFrozen) return this;
  // Node throws it back at its sender, who may answer otherwise.
  if (!isSendable(args[0])) return record.unwrapped!.end.apply(this, args);
  const safe = audit.answer(record);
  if (safe) sendLater(record, audit, safe, args);
  else {
    record.unwrapped!.end.apply(this, args);
    noteSent(record);
  }
  return this;
}

/** The answer waits. @param args what `end()` was called with */
function sendLater(
  record: RequestRecord,
  audit: ResponseObserver,
  safe: Promise<boolean>,
  args: unknown[],
): void {
  const { response } = record;
  const restore = showAsSent(response);
  record.isWaiting = true;
  void safe.then((mayLeave) => {
    // Its event says that it was interrupted, so it must be.
    if (audit.isFrozen) return;
    record.isWaiting = false;
    // The event of a request that is closed already, by its client or by a shutdown, is complete.
    if (!record.closed) record.withheld = !mayLeave;
    try {
      restore();
      if (mayLeave) record.unwrapped!.end.apply(response, args);
      else refuse(record);
      noteSent(record);
    } catch (error) {
      // What can't be sent, such as an object; its sender has gone on and can't be told.
      response.destroy(error as Error);
    }
  });
}

/** The answer is replaced, or broken off where a part of it has left. */
function refuse(record: RequestRecord): void {
  const { response } = record;
  if (record.begun) response.destroy();
  else refuseAnswer(response, record.unwrapped!, record.headersBefore);
  // Instead of the status of a head that was written and has not left.
  if (!record.begun) record.sentStatus = response.statusCode;
}

function destroy(this: AuditedResponse, error?: Error): ServerResponse {
  const record = this[AUDITED]?.record;
  // What injects requests destroys each response that has ended.
  const isOver = this.writableFinished || (this.writableEnded && record && isInjected(record));
  // The application destroyed the response while its client was still there.
  if (record && !record.closed && !record.request.socket?.destroyed && !isOver) {
    record.brokenStream = true;
    if (error) noteError(record, error);
  }
  return (record?.unwrapped ?? NODES).destroy.call(this, error);
}

function write(this: AuditedResponse, ...args: unknown[]): boolean {
  const { record, audit } = this[AUDITED] ?? {};
  if (record) noteBegun(record, audit);
  return (record?.unwrapped ?? NODES).write.apply(this, args);
}

function flushHeaders(this: AuditedResponse): void {
  const { record, audit } = this[AUDITED] ?? {};
  if (record) noteBegun(record, audit);
  (record?.unwrapped ?? NODES).flushHeaders.call(this);
}

function noteBegun(record: RequestRecord, audit: ResponseObserver | undefined): void {
  if (record.begun) return;
  record.begun = true;
  audit?.stream(record);
}

/** Every status leaves by this function: Node calls it itself where nobody else does. */
function writeHead(this: AuditedResponse, ...args: unknown[]): ServerResponse {
  const record = this[AUDITED]?.record;
  const answered = (record?.unwrapped ?? NODES).writeHead.apply(this, args);
  // Not reached where the head can't be written.
  if (record) record.sentStatus = this.statusCode;
  if (record && this.statusCode === 201) record.location = locationIn(args.at(-1));
  return answered;
}

/** @param headers as `writeHead()` takes them: an object, or a list of names and values */
function locationIn(headers: unknown): unknown {
  const list: unknown[] = Array.isArray(headers) ? headers : Object.entries(Object(headers));
  // A value may be a list as well.
  const flat = Array.isArray(list[0]) ? list.flat() : list;
  const at = flat.findIndex((name, index) => index % 2 === 0 && String(name).toLowerCase() === 'location');
  return at < 0 ? undefined : flat[at + 1];
}

function notePipe(this: AuditedResponse, stream: Readable): void {
  const record = this[AUDITED]?.record;
  if (record) followStream(record, stream);
}

function noteFinished(this: AuditedResponse): void {
  const record = this[AUDITED]?.record;
  if (record) record.isFinished = true;
  noteClosed.call(this);
}

function noteClosed(this: AuditedResponse): void {
  const { record, audit } = this[AUDITED] ?? {};
  if (record) audit?.close(record);
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
