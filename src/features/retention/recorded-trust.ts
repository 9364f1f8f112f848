import { showValue } from '../../event/show-value.js';
import { isSameLog } from '../../ledger/checkpoint.js';
import { formatFault } from '../../ledger/format-error.js';
import { openStatement } from '../../ledger/statement.js';
import type { OpenedStatement, StatementKind } from '../../ledger/statement.js';
import { originOf } from '../../trail/believed-checkpoints.js';
import type { TrustedLog } from '../../trail/believed-checkpoints.js';
import { unlessBroken } from '../../store/tile-reader.js';
import { ProvenLeaves } from './proven-leaves.js';
import type { StatementEvent } from './retention.repository.js';

/** What a record says; or why it is not to be believed, which completes "its record …". */
type ReadRecord<T> =
  { readonly said: T; readonly doubt?: undefined } | { readonly said?: undefined; readonly doubt: string };

/** Reads records in events' details, and decides which are to be believed: whoever may insert an event can write any. */
export class RecordedTrust {
  private known: Promise<string | undefined> | undefined;
  private proven: Promise<ProvenLeaves | undefined> | undefined;

  constructor(private readonly log: TrustedLog) {}

  /** Whether signatures count: whether there are keys to check them with. */
  get needsSignature(): boolean {
    return this.log.trust.verifiers.length > 0;
  }

  /** @param parse reads the lines after that of the event's id. @throws LedgerFormatError where they are no such record */
  async read<T>(
    kind: StatementKind,
    { id, details }: StatementEvent,
    parse: (lines: readonly string[]) => T,
  ): Promise<ReadRecord<T>> {
    const { ledger, trust } = this.log;
    let statement: OpenedStatement;
    let said: T;
    try {
      statement = openStatement(kind, details?.['record'], trust.verifiers);
      said = parse(statement.lines.slice(1));
    } catch (error) {
      return { doubt: `is wrong: ${formatFault(error)}` };
    }
    const { origin, lines, isTrusted } = statement;
    if (lines[0] !== id) return { doubt: `is that of event ${showValue(lines[0])}` };
    // Where nothing is sealed yet, nobody may know the name of the log.
    const known = (await (this.known ??= originOf(ledger, trust))) ?? origin;
    if (!isSameLog(origin, known)) return { doubt: `is of the log ${showValue(origin)}, not of ${known}` };
    if (isTrusted || !this.needsSignature || (await this.isBeforeKeys(id))) return { said };
    return { doubt: 'has no signature by a trusted key' };
  }

  /** Whether the event was sealed before the log had its first key, as checkpoints of then are believed. */
  async isBeforeKeys(eventId: string): Promise<boolean> {
    const { unsignedUntil } = this.log.trust;
    if (unsignedUntil === 0) return false;
    this.proven ??= unlessBroken(ProvenLeaves.newest(this.log));
    return (await (await this.proven)?.hasEvent(eventId, unsignedUntil)) ?? false;
  }
}
