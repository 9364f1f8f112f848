// Lines of a journal as docs/operate/journal.md describes them, with a right checksum whatever is in them.
import { readFile } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import type { AuditLogEvent } from 'nest-audit-trail';

/** @param text kind, number, reference and body */
export function lineOf(text: string | Buffer): Buffer {
  const bytes = Buffer.from(text as string);
  return Buffer.concat([
    Buffer.from(`${crc32(bytes).toString(16).padStart(8, '0')} `),
    bytes,
    Buffer.from('\n'),
  ]);
}

export function eventLine(number: number, event: AuditLogEvent, kind = 'event'): Buffer {
  return lineOf(`${kind} ${number} ${event.metadata['sequence'] as number} ${JSON.stringify(event)}`);
}

/** The lines of a file, without their checksums, by kind; of each kind the last. */
export async function linesOf(file: string): Promise<Map<string, string>> {
  const lines = (await readFile(file, 'utf8')).trimEnd().split('\n');
  return new Map(lines.map((line) => [line.split(' ')[1]!, line.slice(9)]));
}

/** The body of a line. */
export function bodyOf<T>(line: string | undefined): T {
  return JSON.parse(line!.split(' ').slice(3).join(' ')) as T;
}
