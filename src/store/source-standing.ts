import { isEnd, isTrusted, placeOf, readNote } from './source-note.js';
import type { SourceNote } from './source-note.js';
import type { StatementTrust } from './statement-signer.js';

/** What several notes of one source say together. */
export interface NotesTogether {
  /** The last one, see `placeOf`: it tells the state of the source. */
  readonly newest: SourceNote;
  /** The highest number that one of them says was given away. */
  readonly sequence: number;
  /** The highest number that one of them says the source has ended with; absent where none says so. */
  readonly ended?: number;
}

/** What the rows of `audit_sources` say of one source. */
export class SourceStanding {
  /** By notes that a trusted key has signed. */
  trusted: NotesTogether | undefined;
  /** By notes that anybody may have written. */
  claimed: NotesTogether | undefined;
  /** Rows that no process writes. */
  unreadable = 0;

  constructor(
    readonly source: string,
    private readonly trust: StatementTrust,
  ) {}

  /** What counts for the state of the source: what is signed, else what is claimed. */
  get best(): NotesTogether | undefined {
    return this.trusted ?? this.claimed;
  }

  /** The unsigned note that is newer than all that is signed, where there is one. */
  get newestClaim(): SourceNote | undefined {
    const { trusted, claimed } = this;
    return claimed && (!trusted || claimed.newest.id > trusted.newest.id) ? claimed.newest : undefined;
  }

  /** @param row in the order of ids */
  add(row: Readonly<Record<string, unknown>>): void {
    const note = readNote(row);
    if (!note) this.unreadable += 1;
    else if (isTrusted(note, this.trust)) this.trusted = together(this.trusted, note);
    else this.claimed = together(this.claimed, note);
  }
}

function together(before: NotesTogether | undefined, note: SourceNote): NotesTogether {
  const newest = before && placeOf(before.newest) > placeOf(note) ? before.newest : note;
  const sequence = Math.max(note.sequence, before?.sequence ?? 0);
  const ended = isEnd(note) ? Math.max(note.sequence, before?.ended ?? 0) : before?.ended;
  return { newest, sequence, ...(ended !== undefined && { ended }) };
}
