import type { RateLimitedLog } from '../event/audit-logger.js';
import { newNote, signSourceNote } from '../store/source-note.js';
import type { SourceNote } from '../store/source-note.js';
import { signatureInTime } from '../store/statement-signer.js';
import type { StatementAuthority } from '../store/statement-signer.js';
import type { SourceRepository } from '../store/source.repository.js';
import type { SourceNoteKind } from '../store/source-summary.js';
import { describeStoreError } from '../store/store-error.js';
import { WaitingStatements } from '../store/waiting-statements.js';
import { noAnswer, within } from '../store/within.js';
import { thisProcess } from '../journal/process-identity.js';

/** How long a key may take to sign while the process ends, before the note is written without a signature. */
const LAST_SIGN_MS = 2_000;
const RETRY_MS = 1_000;

interface Unsent {
  readonly source: string;
  readonly kind: SourceNoteKind;
  readonly sequence: number;
  /** As it is written, once it was tried. */
  note?: SourceNote;
}

/** Has the database know what becomes of the sources, signed where the process has a key. What it does not take is sent again. */
export class SourceNotes {
  private unsent: Unsent[] = [];
  private sending: Promise<void> | undefined;
  private retry: NodeJS.Timeout | undefined;
  private readonly begun = new Set<string>();
  /** Ends the waiting for signatures. */
  private readonly hurry = new AbortController();
  private isClosed = false;
  private readonly statements = new WaitingStatements();

  constructor(
    private readonly sources: SourceRepository,
    private readonly authority: StatementAuthority | undefined,
    private readonly statementTimeoutMs: number,
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

  /** Sends what is unsent, in its order, until the database has it. Resolves after the first attempt; never rejects. */
  async send(): Promise<void> {
    if (this.isEmpty || this.isClosed) return;
    await this.flush().catch((error: unknown) => {
      this.warnings.warn(
        'notes',
        `The audit could not write into audit_sources what became of this process: ${describeStoreError(error)}. It tries again.`,
      );
      this.retry ??= setTimeout(() => {
        this.retry = undefined;
        void this.send();
      }, RETRY_MS).unref();
    });
  }

  /** Sends what is unsent a last time. Never throws. @param patienceMs how long the database may take; 0 where it is away */
  async close(patienceMs: number): Promise<void> {
    this.isClosed = true;
    clearTimeout(this.retry);
    if (patienceMs === 0) return;
    const signMs = this.authority ? LAST_SIGN_MS : 0;
    const late = setTimeout(() => this.hurry.abort(noAnswer(signMs)), signMs);
    await within(signMs + patienceMs, this.flush()).catch(() => undefined);
    clearTimeout(late);
  }

  /** @throws AuditError `AUDIT_STORE_UNAVAILABLE`; what is not sent stays */
  private flush(): Promise<void> {
    this.sending ??= (async () => {
      for (let [one] = this.unsent; one; [one] = this.unsent) {
        const note = (one.note ??= await this.signed(one));
        await this.statements.send(this.statementTimeoutMs, (signal) => this.sources.insert(note, signal));
        this.unsent = this.unsent.filter((other) => other !== one);
      }
    })().finally(() => (this.sending = undefined));
    return this.sending;
  }

  private async signed({ source, kind, sequence }: Unsent): Promise<SourceNote> {
    const note = newNote({ source, kind, sequence, process: JSON.stringify(thisProcess()) });
    const { authority } = this;
    if (!authority) return note;
    const { signal } = this.hurry;
    let giveUp!: () => void;
    const late = new Promise<never>((_, reject) => (giveUp = () => reject(signal.reason)));
    if (signal.aborted) giveUp();
    signal.addEventListener('abort', giveUp);
    try {
      return await Promise.race([signatureInTime(signSourceNote(note, authority)), late]);
    } catch (cause) {
      this.warnings.warn(
        'unsigned',
        `The key ${authority.signer.name} could not sign the note of this process in audit_sources: ${describeStoreError(cause)}. The note is stored unsigned, so the log does not record which of its events are missing.`,
      );
      return note;
    } finally {
      // A race with what never settles would keep each note.
      signal.removeEventListener('abort', giveUp);
    }
  }
}
