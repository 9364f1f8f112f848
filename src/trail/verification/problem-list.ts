import type { NumberedRow } from '../../store/event-row.js';
import type { AuditProblem } from './verification-result.js';

/** What was found, as much of it as is wanted. */
export class ProblemList {
  count = 0;
  private readonly kept: AuditProblem[] = [];

  constructor(private readonly limit: number) {}

  add(problem: AuditProblem): void {
    this.count += 1;
    if (this.kept.length < this.limit) this.kept.push(problem);
  }

  /** In the order of their places in the log; what has none comes last. */
  get listed(): AuditProblem[] {
    return [...this.kept].sort((a, b) => placeOf(a) - placeOf(b));
  }
}

/** `{ treeSize }`, where it is a size that can be told exactly. */
export function sizeOf(treeSize: number): { treeSize?: number } {
  return Number.isSafeInteger(treeSize) ? { treeSize } : {};
}

/** `{ leafIndex }`, likewise. */
export function indexOf(leafIndex: number): { leafIndex?: number } {
  return Number.isSafeInteger(leafIndex) ? { leafIndex } : {};
}

/** The problem of an event that is not in the log and can't get there. @param why after "and" */
export function insertedEvent({ id, source, sequence }: NumberedRow, why: string): AuditProblem {
  return {
    code: 'event_inserted',
    eventId: String(id),
    ...(source !== null && { source: String(source) }),
    ...(sequence !== null && { sequence: Number(sequence) }),
    message: `Event ${String(id)} is not in the log, and ${why}.`,
  };
}

function placeOf({ leafIndex, treeSize }: AuditProblem): number {
  return treeSize ?? leafIndex ?? Number.MAX_SAFE_INTEGER;
}
