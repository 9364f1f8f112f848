// The journal and the loop that reads it, against a model of them: whatever happens in whatever order, nothing that was written is
// lost, nothing is numbered twice, and nothing is kept longer than needed. Real files throughout. Only a full disk is played, since
// no process can fill its own disk for itself alone: an append fails before it writes; and so is the database, which answers when it is
// told to. The runs are the same each time; `AUDIT_MODEL_RUNS=2000 AUDIT_MODEL_SEED=7` tries others.
import { vi } from 'vitest';
import fc from 'fast-check';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn, setTimeout as wait } from 'node:timers/promises';
import type { AuditLogEvent } from 'nest-audit-trail';
import { createEventId } from '../../src/event/event-id.js';
import { EventJournal } from '../../src/journal/event-journal.js';
import { DeliveryLoop } from '../../src/delivery/delivery-loop.js';
import { EventLog } from '../../src/delivery/event-log.js';
import type { SentLeaves } from '../../src/delivery/event-sink.js';
import type { Ticket } from '../../src/delivery/ticket.js';
import type { Intent } from '../../src/journal/intents.js';
import { decodeLine } from '../../src/journal/journal-line.js';
import type { JournalPoint } from '../../src/journal/life.js';
import { Segment } from '../../src/journal/segment.js';
import { NOBODY } from '../support/crashed-journal.js';

/** Some lines, so that there are many of them. */
const SEGMENT_BYTES = 4_096;
const RUNS = Number(process.env['AUDIT_MODEL_RUNS'] ?? 60);
const SEED = Number(process.env['AUDIT_MODEL_SEED'] ?? 1);
/** What a database says of an event that it never takes. */
const REFUSAL = Object.assign(new Error('CHECK constraint failed'), { code: '23514' });
const CHANNEL = 'nest-audit-trail:journal';
const POINTS = ['before-write', 'after-write', 'before-rotate', 'after-rotate', 'before-remove'] as const;

type Command =
  | { readonly do: 'begin' | 'enter'; readonly size: number; readonly pick: number; readonly way: number }
  | {
      readonly do: 'begin again' | 'cancel' | 'commit' | 'drop' | 'fail';
      readonly pick: number;
    }
  | { readonly do: 'release'; readonly pick: number; readonly amended: boolean }
  | { readonly do: 'tell' | 'store' | 'refuse' }
  | { readonly do: 'crash'; readonly at: JournalPoint | 'now'; readonly early: number }
  | { readonly do: 'disk'; readonly failsEach: number }
  | { readonly do: 'look' | 'delete the directory' | 'end the thread' };

const pick = fc.nat(1_000);
const of = <const D extends string | number>(...names: D[]) => fc.constantFrom(...names);
const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 30, arbitrary: fc.record({ do: of('enter'), size: fc.nat(2_000), pick, way: fc.nat(9) }) },
  { weight: 10, arbitrary: fc.record({ do: of('begin'), size: fc.nat(500), pick, way: fc.nat(9) }) },
  { weight: 12, arbitrary: fc.record({ do: of('begin again', 'cancel', 'commit', 'drop'), pick }) },
  { weight: 15, arbitrary: fc.record({ do: of('release'), pick, amended: fc.boolean() }) },
  { weight: 30, arbitrary: fc.record({ do: of('tell', 'store') }) },
  { weight: 3, arbitrary: fc.record({ do: of('refuse') }) },
  { weight: 3, arbitrary: fc.record({ do: of('fail'), pick }) },
  {
    weight: 4,
    arbitrary: fc.record({ do: of('crash'), at: of('now', ...POINTS), early: fc.nat(2) }),
  },
  // Never, each time, or now and then.
  { weight: 5, arbitrary: fc.record({ do: of('disk'), failsEach: of(0, 0, 1, 2, 3) }) },
  { weight: 5, arbitrary: fc.record({ do: of('look', 'delete the directory') }) },
  { weight: 2, arbitrary: fc.record({ do: of('end the thread') }) },
);

/** An event as the model knows it; version 0 is what its request left where nothing more is heard of it. */
interface Known {
  readonly id: string;
  /** As it is to be delivered, after a crash as well: the last that was released. */
  latest: number;
  /** The last that was written. */
  written: number | undefined;
  /** It must be delivered; else it must not. */
  owed: boolean;
  /** Nobody needs it any more, though the journal may not have been able to say so. */
  dismissed: boolean;
  number?: string;
}

/** The files of a directory as a crash leaves them, and what the model knew at that moment. */
interface Snapshot {
  readonly directory: string;
  readonly known: readonly Known[];
}

class Run {
  private log!: EventLog;
  private loop!: DeliveryLoop;
  /** What the loop has sent to the database, which has not answered yet. */
  private sent:
    { readonly batch: readonly AuditLogEvent[]; readonly answer: (error?: Error) => void } | undefined;
  /** What neither the database nor its dead letters take. */
  private refusedEvent: AuditLogEvent | undefined;
  private journal!: EventJournal;
  private directory = mkdtempSync(join(tmpdir(), 'audit-model-'));
  private readonly directories = [this.directory];
  private readonly known = new Map<string, Known>();
  private readonly stored = new Map<string, AuditLogEvent>();
  private readonly numbers = new Map<string, string>();
  /** Given away to events that were dropped, that only a dead process knew, or that were stored under another number. */
  private readonly excused = new Set<string>();
  private intents: { readonly id: string; intent: Intent }[] = [];
  private open: Ticket[] = [];
  private trap: { readonly at: JournalPoint; readonly early: number } | undefined;
  private snapshot: Snapshot | undefined;
  /** The line that is being written. */
  private line: Buffer = Buffer.alloc(0);
  private readonly byNumber = new Map<number, Known>();
  private failsEach = 0;
  private appends = 0;
  private clock = 0;
  private count = 0;
  private commits = 0;

  async all(commands: readonly Command[]): Promise<void> {
    const { append } = Segment.prototype;
    const beforeAppend = (line: Buffer) => {
      this.appends += 1;
      if (this.failsEach > 0 && this.appends % this.failsEach === 0) throw new Error('ENOSPC');
      this.line = line;
    };
    const disk = vi.spyOn(Segment.prototype, 'append').mockImplementation(function (this: Segment, line) {
      beforeAppend(line);
      append.call(this, line);
    });
    // The journal asks a file system that failed again only after a while.
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => this.clock);
    const onPoint = (message: unknown) => this.pass((message as { point: JournalPoint }).point);
    subscribe(CHANNEL, onPoint);
    try {
      await this.boot(1);
      for (const each of commands) {
        this.clock += 1_000;
        const early = await this.carryOut(each);
        if (this.snapshot) await this.reboot(early);
        this.check();
      }
      await this.end();
    } finally {
      unsubscribe(CHANNEL, onPoint);
      clock.mockRestore();
      disk.mockRestore();
      this.journal.abandon();
      for (const directory of this.directories) rmSync(directory, { recursive: true, force: true });
    }
  }

  /** @param early how many events are recorded before the journal is open */
  private async boot(early: number): Promise<void> {
    this.log = new EventLog(true);
    this.loop = this.newLoop();
    this.sent = undefined;
    this.intents = [];
    this.open = [];
    for (let index = 0; index < early; index += 1) this.enter(this.newEvent(10), index);
    this.journal = await EventJournal.open(this.directory, SEGMENT_BYTES);
    this.log.attach(this.journal);
    this.loop.open(this.log.begin());
    expect(this.journal.recovered.losses).toEqual([]);
    for (const [number, begun] of this.journal.recovered.intents) {
      this.log.adopt(number, begun, this.eventOf(begun.id, 0));
    }
  }

  private newLoop(): DeliveryLoop {
    const { log } = this;
    const sink = {
      whyNotReady: undefined,
      // After a crash nobody hears of it.
      store: (batch: readonly AuditLogEvent[]) =>
        new Promise<SentLeaves>((resolve, reject) => {
          const answer = (error?: Error) => (error ? reject(error) : resolve(new Map()));
          this.sent = { batch: [...batch], answer };
        }),
      keep: () => Promise.reject(REFUSAL),
      ping: () => Promise.resolve(),
    };
    return new DeliveryLoop(
      sink,
      { batchSize: 10, statementTimeoutMs: 60_000 },
      {
        ready: () => undefined,
        progress: (progress) => {
          if (log !== this.log) return;
          if (progress.losses.length > 0) {
            throw new Error(`Nothing is damaged, and this is lost: ${JSON.stringify(progress.losses)}`);
          }
          // Until it is known whether the log keeps them.
          for (const { event } of progress.refused) this.known.get(event.id)!.dismissed = true;
          log.noteProgress(progress);
          for (const { number, event } of progress.refused) this.noteRefused(event, log.keeps(number));
        },
        away: () => undefined,
        ended: () => undefined,
      },
    );
  }

  /** Goes on with what a crash left. */
  private async reboot(early: number): Promise<void> {
    const { directory, known } = this.snapshot!;
    this.loop.close();
    this.journal.abandon();
    this.snapshot = undefined;
    this.trap = undefined;
    this.failsEach = 0;
    for (const name of readdirSync(directory).filter((each) => each.startsWith('owner.'))) {
      const path = join(directory, name);
      const owner = JSON.parse(readFileSync(path, 'utf8')) as object;
      writeFileSync(path, JSON.stringify({ ...owner, pid: NOBODY, started: '0' }));
    }
    const left = versionsIn(directory);
    for (const { id, written, dismissed } of known) {
      if (!this.stored.has(id) && !dismissed) expect([id, left.get(id)]).toEqual([id, written]);
    }
    for (const each of this.known.values()) {
      const version = left.get(each.id);
      each.owed = version !== undefined;
      each.dismissed = false;
      each.written = version;
      each.latest = version ?? 0;
      // Its number was in memory alone; as an interrupted request it gets another one.
      if (!version && each.number !== undefined) this.excused.add(each.number);
    }
    this.directory = directory;
    await this.boot(early);
  }

  /** @returns how many events are recorded before the journal is open again, should it crash now */
  private async carryOut(each: Command): Promise<number> {
    switch (each.do) {
      case 'begin':
        this.begin(each.size);
        break;
      case 'begin again':
        this.beginAgain(at(this.intents, each.pick));
        break;
      case 'cancel':
        this.cancel(take(this.intents, each.pick));
        break;
      case 'enter': {
        const begun = each.way < 4 ? take(this.intents, each.pick) : undefined;
        const { size } = each;
        this.enter(begun ? this.eventOf(begun.id, 1, size) : this.newEvent(size), each.way, begun?.intent);
        break;
      }
      case 'release':
        this.release(take(this.open, each.pick), each.amended);
        break;
      case 'commit':
        this.commit(take(this.open, each.pick));
        break;
      case 'drop':
        this.drop();
        break;
      case 'tell':
        await this.tell();
        break;
      case 'store':
        await this.answer();
        break;
      case 'refuse':
        this.refusedEvent = this.sent?.batch[0];
        await this.answer();
        break;
      case 'fail':
        // As when the database stored them, and its word was lost.
        if (each.pick % 2 === 0) this.store(this.sent?.batch ?? []);
        await this.answer(new Error('away'));
        break;
      case 'disk':
        this.failsEach = each.failsEach;
        break;
      case 'delete the directory':
        rmSync(this.directory, { recursive: true });
        expect(this.journal.check()).toMatch(/is written again/);
        break;
      case 'look':
        this.journal.check();
        this.log.writeMissing();
        this.log.releaseOld();
        for (const { event, released } of this.open) if (released) this.known.get(event.id)!.owed = true;
        break;
      case 'end the thread':
        await this.endThread();
        break;
      case 'crash':
        if (each.at === 'now') this.photograph();
        else this.trap = { at: each.at, early: each.early };
        return each.early;
    }
    return this.trap?.early ?? 0;
  }

  private begin(size: number): void {
    const { id } = this.know(0);
    try {
      const intent = this.journal.intents.begin(this.bodyOf(id, size));
      this.intents.push({ id, intent });
    } catch {
      // As the delivery does: then the request has none.
      this.known.delete(id);
    }
  }

  private beginAgain(begun: { readonly id: string; intent: Intent } | undefined): void {
    if (!begun) return;
    try {
      begun.intent = this.journal.intents.begin(this.bodyOf(begun.id, 0), begun.intent);
    } catch {
      // What was known before still is.
    }
  }

  private cancel(begun: { readonly id: string; readonly intent: Intent } | undefined): void {
    if (!begun) return;
    this.known.get(begun.id)!.dismissed = true;
    this.journal.intents.void(begun.intent);
  }

  private enter(event: AuditLogEvent, way: number, intent?: Intent): void {
    const known = this.known.get(event.id)!;
    known.latest = 1;
    const isWorking = this.journal && this.failsEach === 0;
    const entry = this.log.enter(event, intent);
    const { source, sequence } = event.metadata;
    if (source !== undefined) known.number = `${source} ${sequence}`;
    if (isWorking && source !== undefined) expect(entry.written).toBeDefined();
    if (way % 3 === 0) this.open.push(entry);
    else this.release(entry, false);
  }

  private release(entry: Ticket | undefined, amended: boolean): void {
    if (!entry) return;
    const known = this.known.get(entry.event.id)!;
    // Else it was too old.
    if (!entry.released) {
      known.owed = true;
      if (amended) known.latest += 1;
    }
    const { released: wasReleased, written } = entry;
    const event = amended ? this.eventOf(known.id, known.latest, 200) : undefined;
    const isReleased = this.log.release(entry, event);
    if (isReleased === !wasReleased) return;
    // Only a disk that refuses keeps it as it was: what changed is told by another event.
    expect([amended, written !== undefined, this.journal.failure]).toEqual([true, true, expect.anything()]);
    known.latest -= 1;
  }

  private commit(entry: Ticket | undefined): void {
    if (!entry || entry.released) return;
    const { id } = entry.event;
    this.commits += 1;
    this.known.get(id)!.owed = true;
    this.log.commit(entry, () => {
      expect(this.stored.has(id)).toBe(true);
      this.commits -= 1;
    });
  }

  private drop(): void {
    const { source, sequence } = this.log.skipSequence();
    this.excused.add(`${source} ${sequence}`);
    this.log.noteDropped({ source, count: 1, firstSequence: sequence, lastSequence: sequence });
  }

  /** What was sent to the database is stored or not, and nobody hears of it. Another loop begins. */
  private async endThread(): Promise<void> {
    if (this.commits % 2 === 0) this.store(this.sent?.batch ?? []);
    this.sent = undefined;
    this.loop.close();
    this.loop = this.newLoop();
    this.loop.open(this.log.begin());
    await this.tell();
  }

  private async tell(): Promise<void> {
    this.loop.advance(this.log.tell());
    await this.quiet();
  }

  /** The database answers what was sent to it. */
  private async answer(error?: Error): Promise<void> {
    const { sent, refusedEvent } = this;
    // Since the crash it hears nothing any more.
    if (!sent || this.snapshot) return;
    this.sent = undefined;
    const isRefused = refusedEvent !== undefined && sent.batch.some(({ id }) => id === refusedEvent.id);
    if (!error && !isRefused) this.store(sent.batch);
    sent.answer(error ?? (isRefused ? REFUSAL : undefined));
    // It tries again at once.
    if (error) await turn();
    if (error) this.loop.advance(this.log.tell(true));
    await this.quiet();
  }

  /** Nobody takes it: what the log keeps is tried again, at the next start at the latest. */
  private noteRefused(event: AuditLogEvent, isInLog: boolean): void {
    const known = this.known.get(event.id)!;
    known.dismissed = false;
    if (!isInLog) this.lose(known, event);
    if (this.refusedEvent?.id === event.id) this.refusedEvent = undefined;
  }

  /** Resolves once the loop waits for the database, or for news. */
  private async quiet(): Promise<void> {
    for (let turns = 0; turns < 4; turns += 1) {
      await turn();
      if (this.sent) return;
    }
  }

  private lose(known: Known, event: AuditLogEvent): void {
    known.owed = false;
    known.dismissed = true;
    this.excused.add(`${event.metadata['source']} ${event.metadata['sequence']}`);
  }

  private store(part: readonly AuditLogEvent[]): void {
    for (const event of part) {
      const number = `${event.metadata['source']} ${event.metadata['sequence']}`;
      const before = this.stored.get(event.id);
      if (before) {
        this.excused.add(number);
        continue;
      }
      const known = this.known.get(event.id)!;
      expect([event.id, known.owed, event.details['version']]).toEqual([event.id, true, known.latest]);
      expect([number, this.numbers.get(number)]).toEqual([number, undefined]);
      this.numbers.set(number, event.id);
      this.stored.set(event.id, event);
    }
  }

  private noteWritten(): void {
    const { kind, number, content } = decodeLine(this.line.subarray(0, -1))!;
    if (kind === 'void') this.byNumber.get(number)!.written = undefined;
    if (kind !== 'intent' && kind !== 'event' && kind !== 'amend') return;
    const { id, details } = content;
    const known = this.known.get(id)!;
    known.written = Number(details['version']);
    this.byNumber.set(number, known);
  }

  private pass(point: JournalPoint): void {
    if (point === 'after-write') this.noteWritten();
    if (this.trap?.at === point && !this.snapshot) this.photograph();
  }

  private photograph(): void {
    const directory = mkdtempSync(join(tmpdir(), 'audit-model-'));
    this.directories.push(directory);
    cpSync(this.directory, directory, { recursive: true });
    this.snapshot = { directory, known: [...this.known.values()].map((each) => ({ ...each })) };
  }

  private check(): void {
    const { events, size } = this.log.memory;
    for (const count of [this.log.pending, events, size]) expect(count).toBeGreaterThanOrEqual(0);
  }

  /** The database is there and all requests end: everything is delivered, and nothing is left. */
  private async end(): Promise<void> {
    this.failsEach = 0;
    this.trap = undefined;
    this.clock += 1_000;
    await this.drain();
    // What nobody took is tried again at the next start.
    await this.journal.close(this.log.isSettled);
    const left = versionsIn(this.directory);
    for (const [id, version] of left) Object.assign(this.known.get(id)!, { owed: true, latest: version });
    this.loop.close();
    await this.boot(0);
    await this.drain();
    expect(this.log.isSettled).toBe(true);
    expect(this.journal.segments).toHaveLength(1);
    await this.journal.close(true);
    expect(readdirSync(this.directory)).toEqual([expect.stringMatching(/^owner\./)]);
    const lost = [...this.known.values()].filter(({ id, owed }) => owed && !this.stored.has(id));
    expect(lost).toEqual([]);
    this.checkNumbers();
  }

  private async drain(): Promise<void> {
    for (const begun of this.intents.splice(0)) this.cancel(begun);
    for (const entry of this.open.splice(0)) this.release(entry, false);
    this.journal.check();
    this.log.writeMissing();
    // The segments that only the last news show as stored are swept by one more.
    for (let quiet = 0; quiet < 2;) {
      await this.tell();
      while (this.sent) await this.answer();
      quiet = this.log.pending > 0 ? 0 : quiet + 1;
      if (quiet === 0) await wait(5);
    }
    expect([this.log.pending, this.log.memory]).toEqual([0, { events: 0, size: 0 }]);
  }

  private checkNumbers(): void {
    const last = new Map<string, number>();
    for (const number of this.numbers.keys()) {
      const [source, sequence] = number.split(' ') as [string, string];
      last.set(source, Math.max(last.get(source) ?? 0, Number(sequence)));
    }
    const missing: string[] = [];
    for (const [source, until] of last) {
      for (let sequence = 1; sequence <= until; sequence += 1) {
        const number = `${source} ${sequence}`;
        if (!this.numbers.has(number) && !this.excused.has(number)) missing.push(number);
      }
    }
    expect(missing).toEqual([]);
  }

  private newEvent(size: number): AuditLogEvent {
    return this.eventOf(this.know(1).id, 1, size);
  }

  private know(latest: number): Known {
    this.count += 1;
    const known = {
      id: createEventId(this.count),
      latest,
      written: undefined,
      owed: false,
      dismissed: false,
    };
    this.known.set(known.id, known);
    return known;
  }

  /** What is known of a request that has begun. */
  private bodyOf(id: string, size: number): string {
    return JSON.stringify({ ...this.eventOf(id, 0, size), riskScore: undefined });
  }

  private eventOf(id: string, version: number, size = 0): AuditLogEvent {
    return {
      id,
      timestamp: Number.parseInt(id.replace('-', '').slice(0, 12), 16),
      tenantId: 'default',
      action: 'thing.create',
      resource: 'thing',
      details: { version, text: 'x'.repeat(size) },
      severity: 'low',
      category: 'system',
      outcome: 'success',
      riskScore: 0,
      complianceFlags: [],
      metadata: {},
    };
  }
}

/** The versions of events in the files of a directory that no line says are stored, or not to be recorded, by id. */
function versionsIn(directory: string): Map<string, number> {
  const byNumber = new Map<number, { readonly id: string; readonly version: number }>();
  for (const name of readdirSync(directory).sort()) {
    if (!name.endsWith('.journal')) continue;
    for (const text of readFileSync(join(directory, name), 'utf8').split('\n')) {
      const line = decodeLine(Buffer.from(text));
      if (!line) continue;
      const { kind, number, content } = line;
      if (kind === 'intent' || kind === 'event' || kind === 'amend') {
        byNumber.set(number, { id: content.id, version: Number(content.details['version']) });
      } else if (kind === 'void') byNumber.delete(number);
      else if (kind === 'stored') {
        for (const [from, to] of content) {
          for (let each = from; each <= to; each += 1) byNumber.delete(each);
        }
      }
    }
  }
  const versions = new Map<string, number>();
  for (const { id, version } of byNumber.values()) {
    expect(versions.has(id)).toBe(false);
    versions.set(id, version);
  }
  return versions;
}

const at = <T>(list: readonly T[], index: number): T | undefined => list[index % list.length];
const take = <T>(list: T[], index: number): T | undefined =>
  list.splice(list.length === 0 ? 0 : index % list.length, 1)[0];

describe('the journal, whatever happens,', () => {
  it(
    'loses nothing that it wrote, and keeps nothing that is stored',
    async () => {
      const commands = fc.array(command, { maxLength: 200, size: 'max' });
      await fc.assert(
        fc.asyncProperty(commands, (all) => new Run().all(all)),
        { numRuns: RUNS, seed: SEED, endOnFailure: RUNS > 100 },
      );
    },
    60_000 + RUNS * 500,
  );
});
