// What is missing in the sources' sequences.
import type { AuditSource } from 'nest-audit-trail';

/** Of every source, `source: from-to`. */
export function gapsIn(sources: readonly AuditSource[]): string[] {
  return sources.flatMap(({ source, gaps }) => gaps.map(({ from, to }) => `${source}: ${from}-${to}`));
}

/** How many sequence numbers they are. */
export function lostIn(sources: readonly AuditSource[]): number {
  return sources.flatMap(({ gaps }) => gaps).reduce((sum, { from, to }) => sum + to - from + 1, 0);
}
