import { isEnd, isTrusted, placeOf, readNote } from '../store/source-note.js';
import type { SourceNote } from '../store/source-note.js';
import type { StatementTrust } from '../store/statement-signer.js';
import type { SourceRepository } from '../store/source.repository.js';

/** Notes that are read in one turn: as many signatures are checked at most. */
const NOTES_AT_ONCE = 250;

/** Sources that were noted and have not ended, of which every turn looks for more: some end without a word. */
const MOST_LIVE = 1_000;

/** What counts of a source's notes. */
export interface KnownNote extends Pick<SourceNote, 'id' | 'kind'> {
  /** The highest number that one of its notes says was given away. */
  readonly reached: number;
}

/**
 * What is said of sources by notes that a trusted key has signed. They are read a few at a time and over and over, since a note may
 * have any id. Only those with a good signature are kept, so that nobody without a key can fill the memory.
 */
export class TrustedNotes {
  private readonly newest = new Map<string, KnownNote>();
  private after = '';
  /** All notes were read since the last {@link begin}. */
  isComplete = false;
  /** Sources that have ended, of which the log may not account for all numbers yet. */
  readonly ended = new Set<string>();
  /** Those that have not; of very many those that were noted last. */
  readonly live = new Set<string>();

  constructor(private readonly sources: SourceRepository) {}

  begin(): void {
    this.after = '';
    this.isComplete = false;
  }

  /** The newest note of the source. */
  of(source: string): KnownNote | undefined {
    return this.newest.get(source);
  }

  /** Reads the next few. */
  async readOn(trust: StatementTrust): Promise<void> {
    const rows = await this.sources.notesById(this.after, NOTES_AT_ONCE);
    for (const row of rows) this.believe(readNote(row), trust);
    this.isComplete ||= rows.length < NOTES_AT_ONCE;
    this.after = rows.length < NOTES_AT_ONCE ? '' : String(rows.at(-1)!['id']);
  }

  private believe(note: SourceNote | undefined, trust: StatementTrust): void {
    if (!note) return;
    const { id, source, kind, sequence } = note;
    const before = this.newest.get(source);
    const isLast = !before || placeOf(note) > placeOf(before);
    const reached = Math.max(sequence, before?.reached ?? 0);
    if ((!isLast && reached === before.reached) || !isTrusted(note, trust)) return;
    const newest = { ...(isLast ? { id, kind } : before), reached };
    this.newest.set(source, newest);
    this.live.delete(source);
    this.ended.delete(source);
    (isEnd(newest) ? this.ended : this.live).add(source);
    const [oldest] = this.live;
    if (this.live.size > MOST_LIVE) this.live.delete(oldest!);
  }
}
