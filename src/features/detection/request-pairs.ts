import type { DetectedEvent } from './detection.repository.js';

/**
 * Knows one and the same failure that was recorded twice: by the application (`AuthenticationAudit`) and as the answer of its
 * request (401). Both have the same `requestId`.
 *
 * A client may choose that id and send it a thousand times. So a request's own event makes up for one event of the
 * application, and the other way round: of two of the same kind each counts.
 */
export class RequestPairs {
  /** By request: how many more events of the request than of the application, never 0, and when. */
  private readonly open = new Map<string, { readonly more: number; readonly at: number }>();

  /** @param limit how many are remembered; as many as the threshold are enough, since each of them has counted */
  constructor(
    private readonly limit: number,
    private readonly windowMs: number,
  ) {}

  /** Whether the other half of the pair has counted already. Takes note of the event. */
  isSecond({ metadata, timestamp }: DetectedEvent): boolean {
    const requestId = metadata?.['requestId'];
    if (typeof requestId !== 'string') return false;
    // Only what a request itself is has a duration.
    const step = Object.hasOwn(metadata!, 'durationMs') ? 1 : -1;
    const known = this.open.get(requestId);
    const before = known && Math.abs(timestamp - known.at) < this.windowMs ? known.more : 0;
    this.open.delete(requestId);
    if (before + step !== 0) this.open.set(requestId, { more: before + step, at: timestamp });
    if (this.open.size > this.limit) this.open.delete(this.open.keys().next().value!);
    return before * step < 0;
  }
}
