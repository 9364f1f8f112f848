import {
  closeSync,
  constants,
  fdatasync,
  fstatSync,
  ftruncateSync,
  lstatSync,
  openSync,
  readSync,
  rmSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ForeignFileError, openRegularFile } from './journal-file.js';
import { decodeLine } from './journal-line.js';
import type { JournalLine } from './journal-line.js';
import { passPoint } from './life.js';

const READ_BYTES = 256 * 1024;
/** No line is longer: an event has its bounds. */
const LONGEST_LINE = 4 * 1024 * 1024;
/** Where there is no end of a line within so much, there is nothing more of the journal in the file. */
const LONGEST_DAMAGE = 16 * 1024 * 1024;
/** No segment is larger: what the option `delivery.segmentKilobytes` allows, and a line that reaches beyond it. */
const LONGEST_SEGMENT = 1024 * 1024 * 1024 + LONGEST_LINE;
const NEWLINE = 0x0a;
const datasync = promisify(fdatasync);
/** So many segments are kept open at most. */
export const OPEN_FILES = 256;

/** A line as it is found in a segment; `line` is missing where it is damaged. */
export interface FoundLine {
  readonly line: JournalLine | undefined;
  readonly raw: Buffer;
  /** The bytes before it in the segment. */
  readonly position: number;
}

/** Where a line begins: the number of its segment, and the bytes before it there. */
export interface Place {
  readonly segment: number;
  readonly position: number;
}

/** Before all lines. */
export const BEGINNING: Place = { segment: 0, position: 0 };

/** Below 0 where `a` is before `b`. */
export function comparePlaces(a: Place, b: Place): number {
  return a.segment - b.segment || a.position - b.position;
}

/** The first of the two in the log. */
export function earlier(a: Place, b: Place | undefined): Place {
  return b && comparePlaces(b, a) < 0 ? b : a;
}

/**
 * One file of the journal, appended to until it is large enough, then only read, and deleted once the database has all
 * its events. Readable by its owner alone. It stays open, so even a file that somebody deleted is not lost while the
 * process lives, until there are too many of them.
 */
export class Segment {
  private torn = false;
  private syncs = 0;
  /** Files that are done with, but may still be in use by a sync. */
  private readonly retired: number[] = [];

  private constructor(
    readonly directory: string,
    readonly number: number,
    private readonly uid: number | undefined,
    private opened: number | undefined,
    /** Bytes. */
    public size: number,
    /** The bytes of its file, where these are more than a segment can have: only its beginning is read. */
    readonly oversize?: number,
  ) {}

  static create(directory: string, number: number): Segment {
    const opened = openSync(pathOf(directory, number), 'ax+', 0o600);
    return new Segment(directory, number, fstatSync(opened).uid, opened, 0);
  }

  /**
   * One that an earlier process left behind; for reading only.
   *
   * @param uid whose file it has to be
   * @throws ForeignFileError where it is a link, or somebody else's; else the file system's error
   */
  static leftBehind(directory: string, number: number, uid: number): Segment {
    const opened = openRegularFile(pathOf(directory, number), constants.O_RDONLY, uid);
    const { size } = fstatSync(opened);
    const oversize = size > LONGEST_SEGMENT ? size : undefined;
    const segment = new Segment(directory, number, uid, opened, Math.min(size, LONGEST_SEGMENT), oversize);
    segment.rest();
    return segment;
  }

  /** One that this process writes, for reading only; nothing is opened before something is read. @param size how far */
  static written(directory: string, number: number, uid: number, size: number): Segment {
    return new Segment(directory, number, uid, undefined, size);
  }

  /** The number in the name of a segment's file; `undefined` for other files. */
  static numberOf(name: string): number | undefined {
    const number = Number.parseInt(name, 10);
    // Not by another name of the same number, with more zeros before it.
    return nameOf(number) === name ? number : undefined;
  }

  get path(): string {
    return pathOf(this.directory, this.number);
  }

  /**
   * Appends the whole line, or leaves the file as it was. Once it returns the line survives the death of the process;
   * after `sync()` also that of the machine.
   *
   * @throws the file system's error
   */
  append(line: Buffer): void {
    passPoint('before-write');
    const whole = this.torn ? Buffer.concat([Buffer.from('\n'), line]) : line;
    let written = 0;
    try {
      while (written < whole.length) written += writeSync(this.fd, whole, written);
    } catch (error) {
      if (written > 0) this.cutOff();
      throw error;
    }
    this.torn = false;
    this.size += whole.length;
    passPoint('after-write');
  }

  /** @throws the file system's error */
  async sync(): Promise<void> {
    passPoint('before-sync');
    this.syncs += 1;
    try {
      await datasync(this.fd);
    } finally {
      this.syncs -= 1;
      this.closeRetired();
    }
    passPoint('after-sync');
  }

  /**
   * The complete lines from `position` on, as many as one read brings, and where to go on. A last line without its
   * end is answered, as damaged, only when `toTheEnd` says that nothing will be added to it.
   */
  read(position: number, toTheEnd: boolean): { readonly found: FoundLine[]; readonly next: number } {
    let buffer = this.bytes(position, READ_BYTES);
    // A line longer than one read.
    while (!buffer.includes(NEWLINE) && position + buffer.length < this.size) {
      if (buffer.length > LONGEST_LINE) {
        const line = { line: undefined, raw: buffer.subarray(0, 64), position };
        return { found: [line], next: this.endOfDamage(position + buffer.length) };
      }
      const more = this.bytes(position + buffer.length, READ_BYTES);
      if (more.length === 0) break;
      buffer = Buffer.concat([buffer, more]);
    }
    const found: FoundLine[] = [];
    let start = 0;
    for (let end = buffer.indexOf(NEWLINE); end >= 0; end = buffer.indexOf(NEWLINE, start)) {
      const raw = buffer.subarray(start, end);
      // Nothing but an end: what is left where a torn line was closed off.
      if (raw.length > 0) found.push({ line: decodeLine(raw), raw, position: position + start });
      start = end + 1;
    }
    if (toTheEnd && start < buffer.length && position + buffer.length >= this.size) {
      found.push({ line: undefined, raw: buffer.subarray(start), position: position + start });
      start = buffer.length;
    }
    return { found, next: position + start };
  }

  /** Forgets all that is in it. @throws the file system's error */
  clear(): void {
    ftruncateSync(this.fd, 0);
    this.size = 0;
    this.torn = false;
  }

  /** Whether its path still leads to it. */
  isInPlace(): boolean {
    try {
      return lstatSync(this.path).ino === fstatSync(this.fd).ino;
    } catch {
      return false;
    }
  }

  /** Writes it again at its path, from the file that is still open. @throws the file system's error */
  putBack(): void {
    // Whatever is there, such as a link, is not the file.
    rmSync(this.path, { force: true });
    const copy = openSync(this.path, 'ax+', 0o600);
    try {
      for (let position = 0; position < this.size;) {
        const bytes = this.bytes(position, READ_BYTES);
        if (bytes.length === 0) break;
        for (let written = 0; written < bytes.length;) written += writeSync(copy, bytes, written);
        position += bytes.length;
      }
    } catch (error) {
      closeSync(copy);
      unlinkSync(this.path);
      throw error;
    }
    this.rest();
    this.opened = copy;
  }

  /** Closes the file until it is needed again. */
  rest(): void {
    if (this.opened !== undefined) this.retired.push(this.opened);
    this.opened = undefined;
    this.closeRetired();
  }

  remove(): void {
    passPoint('before-remove');
    this.rest();
    try {
      unlinkSync(this.path);
    } catch {
      // Gone already; or the file system refuses, and the next start reads in it that everything is stored.
    }
  }

  private get fd(): number {
    return (this.opened ??= openRegularFile(this.path, constants.O_RDONLY, this.uid));
  }

  private closeRetired(): void {
    if (this.syncs === 0) for (const fd of this.retired.splice(0)) closeSync(fd);
  }

  private bytes(position: number, length: number): Buffer {
    const buffer = Buffer.allocUnsafe(Math.min(length, Math.max(0, this.size - position)));
    try {
      return buffer.subarray(0, readSync(this.fd, buffer, 0, buffer.length, position));
    } catch (error) {
      // Somebody deleted it while it was closed, or put another in its place: there is nothing more in it, as where it was cut off.
      const isGone = ['ENOENT', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '');
      if (isGone || error instanceof ForeignFileError) return Buffer.alloc(0);
      throw error;
    }
  }

  /** Where the line ends in which `position` is; the end of the file where that is too far away to be one. */
  private endOfDamage(position: number): number {
    for (let at = position; at < position + LONGEST_DAMAGE;) {
      const bytes = this.bytes(at, READ_BYTES);
      const end = bytes.indexOf(NEWLINE);
      if (end >= 0) return at + end + 1;
      if (bytes.length === 0) break;
      at += bytes.length;
    }
    return this.size;
  }

  /** A line that did not fit leaves no half of it, or else is closed off before the next. */
  private cutOff(): void {
    try {
      ftruncateSync(this.fd, this.size);
    } catch {
      this.torn = true;
      this.size = fstatSync(this.fd).size;
    }
  }
}

function pathOf(directory: string, number: number): string {
  return join(directory, nameOf(number));
}

function nameOf(number: number): string {
  return `${String(number).padStart(12, '0')}.journal`;
}
