import { isUtf8 } from 'node:buffer';
import { crc32 } from 'node:zlib';
import type { AuditLogEvent } from '../event/audit-log-event.js';
import { isEventId } from '../event/event-id.js';
import { isAuditEvent } from '../event/read-event.js';
import type { NumberRanges } from '../event/sequence-set.js';

/**
 * What a line of the journal says. `number` is the request's or the event's own in this journal: an event has that of
 * the intent that it fulfils. `reference` is an event's sequence, or 0 where it belongs to another source.
 *
 * - `segment`: the head of a file: which source writes, and what it counts on from
 * - `intent`: a request has begun; the body is the event that it becomes if nothing more is heard of it
 * - `void`: that request is not to be recorded after all
 * - `event`: an event, whole. It can change until a `settled` or an `amend` line has its number
 * - `settled`: the answers of these events have left, `[[from, to], …]`: nothing changes them any more
 * - `amend`: an event again, as it turned out after its answer left; takes the place of the one before
 * - `stored`: the database has the events of these numbers, `[[from, to], …]`
 * - `dropped`: events found no room; the reference is the last sequence given away to one
 * - `damaged`: the damage in the segment of this number is reported
 * - `closed`: the source ended in order, at this sequence
 */
export type LineKind =
  'segment' | 'intent' | 'void' | 'event' | 'settled' | 'amend' | 'stored' | 'dropped' | 'damaged' | 'closed';

interface LineContents {
  readonly segment: SegmentHead;
  readonly intent: BegunRequest;
  readonly void: Nothing;
  readonly event: AuditLogEvent;
  readonly settled: NumberRanges;
  readonly amend: AuditLogEvent;
  readonly stored: NumberRanges;
  readonly dropped: DroppedNumbers;
  readonly damaged: Nothing;
  readonly closed: Nothing;
}

/** A line that is as this library writes it. Who wrote it, nobody knows: a checksum can be made by anyone. */
export type JournalLine = {
  readonly [Kind in LineKind]: {
    readonly kind: Kind;
    readonly number: number;
    readonly reference: number;
    readonly content: LineContents[Kind];
  };
}[LineKind];

/** The body of a `segment` line: who writes it, and the last numbers given away before it. */
export interface SegmentHead {
  readonly format: 1;
  readonly source: string;
  readonly sequence: number;
  /** Of intents and events. */
  readonly number: number;
}

/** The body of an `intent` line: an event without what is judged when it is complete. */
export type BegunRequest = Omit<AuditLogEvent, 'riskScore' | 'complianceFlags'> & {
  readonly complianceFlags?: string[];
  readonly blockedBy?: { readonly id: string; readonly name: string };
};

/** The body of a `dropped` line: whose numbers, how many of them, and between which. */
export interface DroppedNumbers {
  readonly source: string;
  readonly count: number;
  readonly firstSequence: number;
  readonly lastSequence: number;
}

type Nothing = Readonly<Record<string, never>>;

const CHECKSUM_LENGTH = 8;
/** Where lines are made that fit: most of them. */
const workplace = Buffer.allocUnsafeSlow(96 * 1024);

/**
 * `crc32 kind number reference json`: the checksum covers all that follows it. A line is a line of text, to be read by people.
 *
 * @returns the line, to be used before the next one is made
 */
export function encodeLine(kind: LineKind, number: number, reference: number, body: string): Buffer {
  const text = `00000000 ${kind} ${number} ${reference} ${body}\n`;
  // No UTF-16 code unit takes more bytes.
  const longest = text.length * 3;
  const place = longest <= workplace.length ? workplace : Buffer.allocUnsafeSlow(longest);
  const line = place.subarray(0, place.write(text));
  const checksum = crc32(line.subarray(CHECKSUM_LENGTH + 1, -1));
  line.write(checksum.toString(16).padStart(CHECKSUM_LENGTH, '0'), 'latin1');
  return line;
}

const SPACE = 0x20;
/** All before the body, without the checksum. */
const HEAD = /^([a-z]{1,16}) (0|[1-9]\d{0,15}) (0|[1-9]\d{0,15}) /;
const HEAD_LENGTH = 16 + 1 + 16 + 1 + 16 + 1;

/** @returns `undefined` where the line is not as this library writes it: damaged, or forged and wrong */
export function decodeLine(line: Buffer): JournalLine | undefined {
  const text = line.subarray(CHECKSUM_LENGTH + 1);
  if (line[CHECKSUM_LENGTH] !== SPACE) return undefined;
  const checksum = line.toString('latin1', 0, CHECKSUM_LENGTH);
  if (!/^[0-9a-f]{8}$/.test(checksum) || crc32(text) !== Number.parseInt(checksum, 16)) return undefined;
  const [head, kind, number, reference] = HEAD.exec(text.toString('latin1', 0, HEAD_LENGTH)) ?? [];
  if (head === undefined || !Object.hasOwn(CHECKS, kind!) || !isUtf8(text)) return undefined;
  const content = parse(text.toString('utf8', head.length));
  const decoded = { kind, number: Number(number), reference: Number(reference), content };
  const isSafe = Number.isSafeInteger(decoded.number) && Number.isSafeInteger(decoded.reference);
  return isSafe && CHECKS[kind as LineKind](content, decoded) ? (decoded as JournalLine) : undefined;
}

type Numbers = Pick<JournalLine, 'number' | 'reference'>;

/** Whether each kind of line has the body and the numbers that it can have. */
const CHECKS: Readonly<Record<LineKind, (content: unknown, line: Numbers) => boolean>> = {
  segment: (content, line) =>
    isNumbered(line) &&
    has(content, { format: isOne, source: isEventId, sequence: isCount, number: isCount }),
  intent: (content, line) => isNumbered(line) && isBegunRequest(content),
  void: (content, line) => isNumbered(line) && has(content, {}),
  event: isEventOf,
  settled: areRanges,
  amend: isEventOf,
  stored: areRanges,
  dropped: (content, { number, reference }) =>
    has(content, { source: isEventId, count: isCount, firstSequence: isOrdinal, lastSequence: isOrdinal }) &&
    isRange([content['firstSequence'], content['lastSequence']]) &&
    number === 0 &&
    reference >= Number(content['lastSequence']),
  damaged: (content, line) => isNumbered(line) && has(content, {}),
  closed: (content, { number }) => number === 0 && has(content, {}),
};

function isNumbered({ number, reference }: Numbers): boolean {
  return number > 0 && reference === 0;
}

function isEventOf(content: unknown, { number, reference }: Numbers): boolean {
  if (number < 1 || !isAuditEvent(content)) return false;
  const { source, sequence } = content.metadata;
  return isEventId(source) && isOrdinal(sequence) && (reference === 0 || reference === sequence);
}

function areRanges(content: unknown, { number, reference }: Numbers): boolean {
  if (number !== 0 || reference !== 0 || !Array.isArray(content)) return false;
  const ranges = content as NumberRanges;
  return ranges.every((range, index) => isRange(range) && range[0] > (ranges[index - 1]?.[1] ?? 0));
}

function isBegunRequest(content: unknown): boolean {
  if (typeof content !== 'object' || content === null || Object.hasOwn(content, 'riskScore')) return false;
  const { blockedBy, ...known } = content as BegunRequest;
  const isText = (value: unknown) => typeof value === 'string';
  if (blockedBy !== undefined && !(isText(blockedBy?.id) && isText(blockedBy.name))) return false;
  return isAuditEvent({ riskScore: 0, complianceFlags: [], ...known });
}

/** Whether the value is an object with just these properties, each as it can be. */
function has(
  value: unknown,
  checks: Readonly<Record<string, (value: unknown) => boolean>>,
): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const names = Object.keys(checks);
  return (
    Object.keys(value).length === names.length &&
    names.every((name) => checks[name]!((value as Record<string, unknown>)[name]))
  );
}

function isOne(value: unknown): boolean {
  return value === 1;
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

function isOrdinal(value: unknown): boolean {
  return isCount(value) && value !== 0;
}

function isRange(value: unknown): boolean {
  if (!Array.isArray(value) || value.length !== 2) return false;
  const [from, to] = value as [unknown, unknown];
  return isOrdinal(from) && isOrdinal(to) && Number(from) <= Number(to);
}

/** @returns `undefined`, which no JSON means, where the text is not JSON */
function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/**
 * Whether a number that is found can have been given away after `last`, the highest before it. Any can be the first; but one
 * that is forged must not use up all that there are, since counting goes on behind it.
 */
export function canFollow(number: number, last: number): boolean {
  return number <= Math.max(2 ** 48, last + 2 ** 32);
}

/** The numbers above 0 in ascending order, without those that are too high to follow the one before, see {@link canFollow}. */
export function inOrder(numbers: readonly number[]): number[] {
  const found: number[] = [];
  for (const number of numbers.filter((each) => each > 0).sort((a, b) => a - b)) {
    if (canFollow(number, found.at(-1) ?? 0)) found.push(number);
  }
  return found;
}

/** Whether a line that is damaged may have been an event: what is left of it does not say otherwise. */
export function mayHaveBeenEvent(damaged: Buffer): boolean {
  return !/^[0-9a-f]{8} (segment|intent|void|settled|amend|stored|dropped|damaged|closed) /.test(
    damaged.toString('latin1', 0, 32),
  );
}
