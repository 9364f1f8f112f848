// The journal's directory and files, where starts fail, disks fill up or say nothing, and somebody else writes there.
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { vi } from 'vitest';
import { LogReader } from '../../src/delivery/log-reader.js';
import { createEventId } from '../../src/event/event-id.js';
import type { JournalLoss } from '../../src/journal/damage.js';
import { EventJournal } from '../../src/journal/event-journal.js';
import { encodeLine } from '../../src/journal/journal-line.js';
import { Segment } from '../../src/journal/segment.js';
import { journalDirectory, newEvent } from '../support/delivery-alone.js';
import { limitFileSize } from '../faults/journal-disk.js';

const SEGMENT_BYTES = 8 * 1024 * 1024;

describe('the journal', () => {
  let place: ReturnType<typeof journalDirectory>;
  let directory: string;
  const open = () => EventJournal.open(directory, SEGMENT_BYTES);

  beforeEach(() => {
    place = journalDirectory();
    ({ directory } = place);
  });

  afterEach(() => {
    vi.restoreAllMocks();
    place.remove();
  });

  it('begins a new source after the machine went down, also where the first start after that has failed', async () => {
    const left = await open();
    left.append('event', left.nextNumber(), 1, JSON.stringify(eventOf(left.source, 1)));
    left.abandon();
    const [owner] = readdirSync(directory).filter((name) => name.startsWith('owner.'));
    const identity = JSON.parse(readFileSync(join(directory, owner!), 'utf8')) as object;
    writeFileSync(
      join(directory, owner!),
      JSON.stringify({ ...identity, closed: undefined, boot: 'another' }),
    );
    const link = join(directory, '000000000009.journal');
    symlinkSync('/etc/hostname', link);
    await expect(open()).rejects.toMatchObject({ code: 'AUDIT_INVALID_OPTIONS' });
    unlinkSync(link);
    const journal = await open();
    expect(journal.resumed).toBe(false);
    expect(readdirSync(directory).filter((name) => name.startsWith('owner.'))).toHaveLength(1);
    journal.abandon();
  });

  it('is refused where somebody has put the files of owners there that none can follow', async () => {
    mkdirSync(directory, { mode: 0o700 });
    for (const number of [2 ** 48, 2 ** 48 + 2 ** 32 + 1])
      writeFileSync(join(directory, `owner.${number}`), JSON.stringify({ pid: 1, host: 'x', closed: true }));
    await expect(open()).rejects.toMatchObject({ code: 'AUDIT_INVALID_OPTIONS' });
  });

  // Linux alone lets a process limit its own files.
  it.runIf(process.platform === 'linux')(
    'is written again where its files were deleted while the disk was full',
    async () => {
      const journal = await open();
      limitFileSize(process.pid, '0:');
      try {
        for (const name of readdirSync(directory)) unlinkSync(join(directory, name));
        expect(journal.check()).toContain("can't be written again");
      } finally {
        limitFileSize(process.pid, 'unlimited:');
      }
      expect(journal.check()).toContain('is written again');
      journal.append('stored', 0, 0, '[]');
      expect(journal.failure).toBeUndefined();
      journal.abandon();
    },
  );

  it('closes beside a disk that says nothing', async () => {
    const journal = await open();
    vi.spyOn(Segment.prototype, 'sync').mockReturnValue(new Promise(() => undefined));
    await journal.close(false);
    vi.restoreAllMocks();
    const next = await open();
    expect(next.recovered.sources).toMatchObject([{ closed: true }]);
    next.abandon();
  });

  it('keeps what is known of an interrupted request until its event is written', async () => {
    const first = await open();
    const { riskScore: _score, complianceFlags: _flags, ...begun } = newEvent();
    first.intents.begin(JSON.stringify(begun));
    first.abandon();
    const second = await open();
    for (const [number, body] of second.recovered.intents) second.intents.adopt(number, JSON.stringify(body));
    second.intents.carry(second.active.number);
    second.abandon();
    const third = await open();
    expect(third.recovered.losses).toEqual([]);
    expect([...third.recovered.intents.values()]).toEqual([begun]);
    third.abandon();
  });

  it('is read whole where one of its files is being written again', () => {
    mkdirSync(directory);
    const source = createEventId(Date.now());
    const line = (...[kind, number, reference, body]: [...Parameters<typeof encodeLine>]) =>
      Buffer.from(encodeLine(kind, number, reference, body));
    const event = (sequence: number) =>
      line('event', sequence, sequence, JSON.stringify(eventOf(source, sequence)));
    const segment = (number: number, after: number, ...lines: Buffer[]) => {
      const head = { format: 1, source, sequence: after, number: after };
      return Buffer.concat([line('segment', number, 0, JSON.stringify(head)), ...lines]);
    };
    const first = segment(1, 0, event(1), event(2), event(3), line('settled', 0, 0, '[[1,3]]'));
    const second = segment(2, 3, event(4), line('settled', 0, 0, '[[4,4]]'));
    const path = (number: number) => join(directory, `00000000000${number}.journal`);
    writeFileSync(path(2), second);
    // As much as is written of it; the end is in the midst of a line.
    writeFileSync(path(1), first.subarray(0, first.length - 600));
    const losses: JournalLoss[] = [];
    const log = {
      directory,
      uid: process.getuid!(),
      source,
      memorySource: 'none',
      lastRecovered: 0,
      done: [],
    };
    const reader = new LogReader(log, (loss) => losses.push(loss));
    const news = { turn: 1, segments: [], sources: [{ source, sequence: 4 }], settled: [], events: [] };
    const segments = [first, second].map(({ length }, index) => ({ number: index + 1, size: length }));
    reader.advance({ ...news, segments, skipped: [], isMisplaced: false, hurry: false });
    reader.read(10);
    expect(reader.isWaiting).toBe(true);
    rmSync(path(1));
    // Its owner can't put it back for a long time.
    reader.advance({ ...news, skipped: [], isMisplaced: true, hurry: false });
    reader.read(10);
    vi.spyOn(performance, 'now').mockReturnValue(performance.now() + 60_000);
    expect(() => reader.read(10)).toThrow('is not in its place');
    writeFileSync(path(1), first);
    const read = [...reader.read(10), ...reader.read(10)];
    expect(read.map(({ number }) => number)).toEqual([1, 2, 3, 4]);
    expect(losses).toEqual([]);
    reader.close();
  });
});

function eventOf(source: string, sequence: number) {
  return { ...newEvent(), metadata: { source, sequence } };
}
