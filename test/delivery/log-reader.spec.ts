// The reader of the log where the disk fails under it: what it has read already is not lost with what it can't read.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { vi } from 'vitest';
import { EventLog } from '../../src/delivery/event-log.js';
import { LogReader } from '../../src/delivery/log-reader.js';
import type { Entry } from '../../src/delivery/log-reader.js';
import type { Place } from '../../src/journal/segment.js';
import type { Progress, Refusal } from '../../src/delivery/messages.js';
import type { Ticket } from '../../src/delivery/ticket.js';
import { EventJournal } from '../../src/journal/event-journal.js';
import { Segment } from '../../src/journal/segment.js';
import { newEvent } from '../support/delivery-alone.js';

const COUNT = 400;

const largeEvent = () => ({ ...newEvent(), details: { text: 'x'.repeat(2_000) } });

describe('a log on a disk that fails', () => {
  let directory: string;
  let journal: EventJournal;
  let log: EventLog;
  let reader: LogReader;

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'audit-reader-'));
    journal = await EventJournal.open(directory, 8 * 1024 * 1024);
    log = new EventLog(true);
    log.attach(journal);
    reader = new LogReader(log.begin().log!, () => undefined);
  });

  afterEach(() => {
    vi.restoreAllMocks();
    reader.close();
    journal.abandon();
    rmSync(directory, { recursive: true, force: true });
  });

  /** Has one call fail, as on a disk with a bad sector. */
  function failOnce(call: number): void {
    const real = Segment.prototype.read as (...args: never[]) => never;
    let calls = 0;
    vi.spyOn(Segment.prototype, 'read').mockImplementation(function (this: Segment, ...args: never[]) {
      calls += 1;
      if (calls === call) throw new Error('EIO: i/o error, read');
      return real.apply(this, args);
    } as never);
  }

  /** Reads as the loop does, which tries again. */
  function readAll(): number[] {
    const numbers: number[] = [];
    for (let times = 0; times < 20; times += 1) {
      try {
        numbers.push(...reader.read(10_000).map(({ number }) => number));
      } catch {
        // Tried again.
      }
    }
    return numbers;
  }

  /** What the loop says of the reader and of what it read. */
  function noteProgress(more: Partial<Progress>): void {
    const { through, needed } = reader;
    const nothing = { settled: [], refused: [], stored: 0, losses: [] };
    log.noteProgress({ turn: log.turn, isIdle: true, ...nothing, through, needed, ...more });
  }

  /** Neither the database nor its dead letters take it. @param place of its line, where the log has it */
  function refusalOf({ number, event }: Ticket, place?: Place): Refusal {
    return { number, event, place, code: '23514', isDead: false };
  }

  /** Another one, as after the death of the first. */
  function startReader(): void {
    reader.close();
    reader = new LogReader(log.begin().log!, () => undefined);
    reader.advance(log.tell());
  }

  /** What nobody took is tried again, once that was a while ago. */
  function tryKeptAgain(): void {
    vi.spyOn(performance, 'now').mockReturnValue(performance.now() + 60_000);
    log.releaseOld();
    reader.advance(log.tell());
  }

  const all = Array.from({ length: COUNT }, (_, index) => index + 1);

  it('is read on, each event once', () => {
    for (const _ of all) log.release(log.enter(largeEvent()));
    reader.advance(log.tell());
    failOnce(3);
    expect(readAll()).toEqual(all);
  });

  it('is read on with events that could still change, each once', () => {
    const tickets = all.map(() => log.enter(largeEvent()));
    reader.advance(log.tell());
    expect(readAll()).toEqual([]);
    for (const ticket of tickets) log.release(ticket);
    reader.advance(log.tell());
    failOnce(3);
    expect(readAll()).toEqual(all);
  });

  it('keeps nothing back, after the death of its first reader, for an event that nobody took', () => {
    const ticket = log.enter(largeEvent());
    log.commit(ticket, () => undefined);
    reader.advance(log.tell());
    noteProgress({ refused: [refusalOf(ticket)] });
    startReader();
    tryKeptAgain();
    // It is there once, as it is to be tried again.
    expect(readAll()).toEqual([ticket.number]);
    expect(reader.needed).toEqual(reader.through);
  });

  it('counts what is not stored, also where a reader begins again and meets what nobody took', () => {
    const [refused, other] = [newEvent(), newEvent()].map((event) => log.enter(event)) as [Ticket, Ticket];
    for (const ticket of [refused, other]) log.release(ticket);
    reader.advance(log.tell());
    const [read] = reader.read(10);
    for (let times = 0; times < 3; times += 1) {
      noteProgress({ refused: [refusalOf(refused, read!.place)], isIdle: false });
      expect(log.pending).toBe(1);
      startReader();
    }
    tryKeptAgain();
    expect(log.pending).toBe(2);
    for (let times = 0; times < 2; times += 1) {
      noteProgress({ settled: [refused.number], isIdle: false });
      expect(log.pending).toBe(1);
    }
    noteProgress({ settled: [other.number], isIdle: false });
    expect(log.pending).toBe(0);
  });

  it('is not settled through an event that nobody took before it is stored', () => {
    const ticket = log.enter(newEvent());
    log.release(ticket);
    reader.advance(log.tell());
    const [read] = reader.read(10);
    const mark = log.mark();
    noteProgress({ refused: [refusalOf(ticket, read!.place)] });
    expect(log.isSettledThrough(mark)).toBe(false);
    startReader();
    tryKeptAgain();
    const [{ number, place }] = reader.read(10) as [Entry];
    noteProgress({ through: place, needed: place });
    // What its values are encrypted with is still needed.
    expect(log.isSettledThrough(mark)).toBe(false);
    noteProgress({ settled: [number], stored: 1 });
    expect(log.isSettledThrough(mark)).toBe(true);
  });
});
