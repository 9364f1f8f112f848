import type { RateLimitedLog } from '../event/audit-logger.js';
import { newNote, signSourceNote } from '../store/source-note.js';
import type { NoteAuthority, SourceNote } from '../store/source-note.js';
import type { SourceRepository } from '../store/source.repository.js';
import type { SourceNoteKind } from '../store/source-summary.js';
import { describeStoreError } from '../store/store-error.js';
import { within } from '../store/within.js';
import { thisProcess } from '../journal/process-identity.js';

/** How long a key that is elsewhere may take to sign a note, before it is written without a signature. */
const SIGN_PATIENCE_MS = 10_000;
/** The same, while the process ends. */
const LAST_SIGN_MS = 2_000;

/** What is to be said of a source. */
interface Unsent {
  readonly source: string;
  readonly kind: SourceNoteKind;
  readonly sequence: number;
  /** As it is written, once it was tried. */
  note?: SourceNote;
}

/** Has the database know what becomes of the sources, signed where the process has a key. What it does not take is kept. */
export class SourceNotes {
  private unsent: Unsent[] = [];
  private sending: Promise<void> | undefined;
  private readonly begun = new Set<string>();
  private hurry!: () => void;
  private readonly hurried = new Promise<void>((resolve) => (this.hurry = resolve));

  /** @param send sends a statement to the database, and waits for it as long as others are waited for */
  constructor(
    private readonly sources: SourceRepository,
    private readonly authority: NoteAuthority | undefined,
    private readonly send: (statement: (signal: AbortSignal) => Promise<void>) => Promise<void>,
    private readonly warnings: RateLimitedLog,
  ) {}

  /** Whether the database has all of them. */
  get isEmpty(): boolean {
    return this.unsent.length === 0;
  }

  add(source: string, kind: SourceNoteKind, sequence: number): void {
    this.unsent.push({ source, kind, sequence });
  }

  /** Who numbers events is noted once. */
  addBegin(source: string, kind: 'started' | 'resumed', sequence: number): void {
    if (this.begun.has(source)) return;
    this.begun.add(source);
    this.add(source, kind, sequence);
  }

  /** Forgets that a source has begun that has recorded nothing: there is nothing to prove of it. */
  forgetIdle(isIdle: (source: string) => boolean): void {
    this.unsent = this.unsent.filter(({ source, kind }) => kind !== 'started' || !isIdle(source));
  }

  /** Sends what is unsent, in its order. @throws AuditError `AUDIT_STORE_UNAVAILABLE`; the rest is kept */
  flush(): Promise<void> {
    this.sending ??= (async () => {
      for (let [one] = this.unsent; one; [one] = this.unsent) {
        const note = (one.note ??= await this.signed(one));
        await this.send((signal) => this.sources.insert(note, signal));
        this.unsent = this.unsent.filter((other) => other !== one);
      }
    })().finally(() => (this.sending = undefined));
    return this.sending;
  }

  /** Sends what is unsent while the process ends. Never throws. @param patienceMs how long the database may take */
  async flushLast(patienceMs: number): Promise<void> {
    const signMs = this.authority ? LAST_SIGN_MS : 0;
    const late = setTimeout(this.hurry, signMs);
    await within(signMs + patienceMs, this.flush()).catch(() => undefined);
    clearTimeout(late);
  }

  private async signed({ source, kind, sequence }: Unsent): Promise<SourceNote> {
    const note = newNote({ source, kind, sequence, process: JSON.stringify(thisProcess()) });
    if (!this.authority) return note;
    let signed: SourceNote | undefined;
    let cause: unknown = new Error('no answer in time');
    let late: NodeJS.Timeout | undefined;
    const patience = new Promise<void>((resolve) => (late = setTimeout(resolve, SIGN_PATIENCE_MS).unref()));
    const signing = signSourceNote(note, this.authority).then((one) => void (signed = one));
    try {
      await Promise.race([signing, patience, this.hurried]);
    } catch (error) {
      cause = error;
    }
    clearTimeout(late);
    if (signed) return signed;
    this.warnings.warn(
      'unsigned',
      `What becomes of a source of the audit could not be signed by the key ${this.authority.signer.name}: ${describeStoreError(cause)}. It is noted without a signature, so the log does not count on it.`,
    );
    return note;
  }
}
