import type { NumberedRow } from '../../store/event-row.js';
import type { AuditProblem, AuditProblemCode } from './verification-result.js';

/** Where a problem is, as rows say it: NULL and inexact numbers are left out. */
export interface ProblemPlace {
  readonly eventId?: unknown;
  readonly leafIndex?: number | undefined;
  readonly treeSize?: number;
  readonly source?: string | number | null;
  readonly sequence?: string | number | null;
}

/** What was found, as much of it as is wanted. */
export class ProblemList {
  count = 0;
  private readonly kept: AuditProblem[] = [];

  constructor(private readonly limit: number) {}

  add(code: AuditProblemCode, message: string, place: ProblemPlace = {}): void {
    this.count += 1;
    if (this.kept.length >= this.limit) return;
    const { eventId, leafIndex, treeSize, source = null, sequence = null } = place;
    this.kept.push({
      code,
      message,
      ...(eventId !== undefined && { eventId: String(eventId) }),
      // A row may hold a number that can't be told exactly.
      ...(Number.isSafeInteger(leafIndex) && { leafIndex: Number(leafIndex) }),
      ...(Number.isSafeInteger(treeSize) && { treeSize: Number(treeSize) }),
      ...(source !== null && { source: String(source) }),
      ...(sequence !== null && { sequence: Number(sequence) }),
    });
  }

  /** An event is not in the log and can't get there. @param why after "and" */
  addInserted({ id, source, sequence }: NumberedRow, why: string): void {
    const message = `Event ${String(id)} is not in the log, and ${why}.`;
    this.add('event_inserted', message, { eventId: id, source, sequence });
  }

  /** In the order of their places in the log; what has none comes last. */
  get listed(): AuditProblem[] {
    return [...this.kept].sort((a, b) => placeOf(a) - placeOf(b));
  }
}

function placeOf({ leafIndex, treeSize }: AuditProblem): number {
  return treeSize ?? leafIndex ?? Number.MAX_SAFE_INTEGER;
}
