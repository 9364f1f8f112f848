import { crc32 } from 'node:zlib';

/**
 * What a line of the journal says. `number` is the request's or the event's own in this journal: an event has that of
 * the intent that it fulfils. `reference` is an event's sequence, or 0 where it belongs to another source.
 *
 * - `segment`: the head of a file: which source writes, and what it counts on from
 * - `intent`: a request has begun; the body is the event that it becomes if nothing more is heard of it
 * - `void`: that request is not to be recorded after all
 * - `event`: an event, whole
 * - `amend`: an event again, as it turned out after its answer left; takes the place of the one before
 * - `stored`: the database has the events of these numbers, `[[from, to], …]`
 * - `dropped`: events found no room; the reference is the last sequence given away to one
 * - `damaged`: the damage in the segment of this number is reported
 * - `closed`: the source ended in order, at this sequence
 */
export type LineKind =
  'segment' | 'intent' | 'void' | 'event' | 'amend' | 'stored' | 'dropped' | 'damaged' | 'closed';

export interface JournalLine {
  readonly kind: LineKind;
  readonly number: number;
  readonly reference: number;
  /** JSON, not parsed. */
  readonly body: Buffer;
}

/** The body of a `segment` line: who writes it, and the last numbers given away before it. */
export interface SegmentHead {
  readonly format: 1;
  readonly source: string;
  readonly sequence: number;
  /** Of intents and events. */
  readonly number: number;
}

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

/** @returns `undefined` where the line is not as it was written */
export function decodeLine(line: Buffer): JournalLine | undefined {
  const text = line.subarray(CHECKSUM_LENGTH + 1);
  if (line[CHECKSUM_LENGTH] !== SPACE) return undefined;
  const checksum = line.toString('latin1', 0, CHECKSUM_LENGTH);
  if (!/^[0-9a-f]{8}$/.test(checksum) || crc32(text) !== Number.parseInt(checksum, 16)) return undefined;
  const afterKind = text.indexOf(SPACE);
  const afterNumber = text.indexOf(SPACE, afterKind + 1);
  const afterReference = text.indexOf(SPACE, afterNumber + 1);
  return {
    kind: text.toString('latin1', 0, afterKind) as LineKind,
    number: Number(text.toString('latin1', afterKind + 1, afterNumber)),
    reference: Number(text.toString('latin1', afterNumber + 1, afterReference)),
    body: text.subarray(afterReference + 1),
  };
}

/** @param line of the kind `segment` */
export function headOf(line: JournalLine): SegmentHead {
  return JSON.parse(line.body.toString()) as SegmentHead;
}

/** Whether a line that is damaged may have been an event: what is left of it does not say otherwise. */
export function mayHaveBeenEvent(damaged: Buffer): boolean {
  return !/^[0-9a-f]{8} (segment|intent|void|amend|stored|dropped|damaged|closed) /.test(
    damaged.toString('latin1', 0, 32),
  );
}
