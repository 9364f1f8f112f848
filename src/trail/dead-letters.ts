import { RateLimitedLog } from '../event/audit-logger.js';
import type { AuditLogger } from '../event/audit-logger.js';
import { present } from '../event/present.js';
import type { AtRest } from '../recorder/at-rest.js';
import type { AuditDeadLetter, DeadLetterRepository } from '../store/dead-letter.repository.js';
import { splitReveal } from './audit-scope.js';
import type { AuditReadScope, AuditScope } from './audit-scope.js';
import { checkDeadLetterQuery } from './dead-letter-query.js';
import type { AuditDeadLetterQuery } from './dead-letter-query.js';
import type { Reads } from './reads.js';

/** Letters held at a time by a replay: each may take some hundred kilobytes. */
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
    return this.reads.answered(
      { method: 'deadLetters', query },
      () => this.page(query),
      ({ length }) => length,
    );
  }

  async replay(scope: AuditScope): Promise<{ replayed: number; refused: number }> {
    const { tenantId } = checkDeadLetterQuery(scope, ['limit', 'after']);
    const total = { replayed: 0, refused: 0 };
    let after: string | undefined;
    for (;;) {
      const page = await this.letters.find({
        ...present('tenantId', tenantId),
        ...present('after', after),
        limit: REPLAY_PAGE,
      });
      for (const { event, untrusted } of page) {
        if (untrusted === undefined) continue;
        this.warnings.warn('letter', `The dead letter ${event.id} is not replayed: ${untrusted}.`);
      }
      const { replayed, refused } = await this.letters.replay(page);
      total.replayed += replayed;
      total.refused += refused;
      if (page.length < REPLAY_PAGE) return total;
      after = page.at(-1)?.event.id;
    }
  }

  private async page(query: AuditDeadLetterQuery & AuditReadScope): Promise<AuditDeadLetter[]> {
    const { reveal, rest } = splitReveal(query);
    if (reveal) this.atRest.assertReveals();
    const letters = await this.letters.find(checkDeadLetterQuery(rest as AuditDeadLetterQuery));
    const events = await this.atRest.read(
      letters.map(({ event }) => event),
      reveal,
    );
    return letters.map((letter, place) => ({ ...letter, event: events[place]! }));
  }
}
