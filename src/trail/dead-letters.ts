import { invalidQuery } from '../event/audit-error.js';
import { RateLimitedLog } from '../event/audit-logger.js';
import type { AuditLogger } from '../event/audit-logger.js';
import { pages } from '../event/pages.js';
import { defined } from '../event/present.js';
import { unknownProperties } from '../event/unknown-properties.js';
import type { AtRest } from '../recorder/at-rest.js';
import type { AuditDeadLetter, DeadLetterRepository } from '../store/dead-letter.repository.js';
import { checkQuery, DEFAULT_LIMIT, IdOf, MAX_LIMIT, WholeNumber } from './audit-query.dto.js';
import { splitReveal, splitScope } from './audit-scope.js';
import type { AuditReadScope, AuditScope } from './audit-scope.js';
import type { Reads } from './reads.js';

/** Which page of dead letters. */
export class DeadLetterPageDto {
  /** Most letters in the answer, 1-1000. @defaultValue 50 */
  @WholeNumber(1, MAX_LIMIT)
  readonly limit?: number;

  /** The id of the event that the page begins behind: the last one of the page before. */
  @IdOf('the last event of the page before')
  readonly after?: string;
}

/** Whose dead letters, and which page of them. */
export type AuditDeadLetterQuery = AuditScope & DeadLetterPageDto;

/** Dead letters that a replay reads at a time: each may take some hundred kilobytes. */
const REPLAY_PAGE = 20;

/** The events that the database refused, one by one. */
export class DeadLetters {
  private readonly warnings: RateLimitedLog;

  constructor(
    private readonly letters: DeadLetterRepository,
    private readonly atRest: AtRest,
    private readonly reads: Reads,
    logger: AuditLogger,
  ) {
    this.warnings = new RateLimitedLog(logger);
  }

  find(query: AuditDeadLetterQuery & AuditReadScope): Promise<AuditDeadLetter[]> {
    const find = async () => {
      const { reveal, rest } = splitReveal(query);
      if (reveal) this.atRest.assertReveals();
      const { tenantId, rest: page } = splitScope(rest);
      const { limit = DEFAULT_LIMIT, after } = checkQuery(page, DeadLetterPageDto);
      const letters = await this.letters.find({ ...defined({ tenantId, after }), limit });
      const events = await this.atRest.read(
        letters.map(({ event }) => event),
        reveal,
      );
      return letters.map((letter, place) => ({ ...letter, event: events[place]! }));
    };
    return this.reads.answered({ method: 'deadLetters', query }, find, ({ length }) => length);
  }

  async replay(scope: AuditScope): Promise<{ replayed: number; refused: number }> {
    const { tenantId, rest } = splitScope(scope);
    const unknown = unknownProperties(rest, new Set());
    if (unknown) throw invalidQuery(unknown.first, unknown.reason);
    const total = { replayed: 0, refused: 0 };
    const found = pages<AuditDeadLetter>(REPLAY_PAGE, (last) =>
      this.letters.find({
        ...defined({ tenantId, after: last?.event.id }),
        limit: REPLAY_PAGE,
      }),
    );
    for await (const page of found) {
      for (const { event, untrusted } of page) {
        if (untrusted === undefined) continue;
        this.warnings.warn('letter', `The dead letter ${event.id} is not replayed: ${untrusted}.`);
      }
      const { replayed, refused } = await this.letters.replay(page);
      total.replayed += replayed;
      total.refused += refused;
    }
    return total;
  }
}
