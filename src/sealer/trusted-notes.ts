import { isEnd, isTrusted, readNote } from '../store/source-note.js';
import type { NoteTrust, SourceNote } from '../store/source-note.js';
import type { SourceRepository } from '../store/source.repository.js';

/** Notes that are read in one turn: as many signatures are checked at most. */
const NOTES_AT_ONCE = 250;

/**
 * What is said of sources by notes that a trusted key has signed. They are read a few at a time and over and over, since a note may
 * have any id. Only those with a good signature are kept, so that nobody without a key can fill the memory.
 */
export class TrustedNotes {
  private readonly newest = new Map<string, Pick<SourceNote, 'id' | 'kind' | 'sequence'>>();
  private after = '';
  private isRead = false;
  /** Sources that have ended, of which the log may not account for all numbers yet. */
  readonly ended = new Set<string>();

  constructor(private readonly sources: SourceRepository) {}

  /** Whether all notes were read since the last {@link begin}. */
  get isComplete(): boolean {
    return this.isRead;
  }

  begin(): void {
    this.after = '';
    this.isRead = false;
  }

  /** The newest note of the source. */
  of(source: string): Pick<SourceNote, 'id' | 'kind' | 'sequence'> | undefined {
    return this.newest.get(source);
  }

  /** Reads the next few. */
  async readOn(trust: NoteTrust): Promise<void> {
    const rows = await this.sources.notesById(this.after, NOTES_AT_ONCE);
    for (const row of rows) this.take(readNote(row), trust);
    this.after = rows.length < NOTES_AT_ONCE ? '' : String(rows.at(-1)!['id']);
    if (this.after === '') this.isRead = true;
  }

  private take(note: SourceNote | undefined, trust: NoteTrust): void {
    if (note?.statement === undefined || note.statement === null) return;
    const { id, source, kind, sequence } = note;
    if (id <= (this.newest.get(source)?.id ?? '') || !isTrusted(note, trust)) return;
    this.newest.set(source, { id, kind, sequence });
    if (isEnd(note)) this.ended.add(source);
    else this.ended.delete(source);
  }
}
