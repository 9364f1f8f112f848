import { AuditError } from '../../event/audit-error.js';
import type { RateLimitedLog } from '../../event/audit-logger.js';
import type { AuditLogEvent } from '../../event/audit-log-event.js';
import type { SubjectKey, SubjectKeyRepository } from './subject-key.repository.js';
import { decryptValues, keyIdOf } from './encrypted-values.js';
import type { ProtectedValues } from './encrypted-values.js';
import { PROTECTED_KEY } from '../../event/protected-marks.js';
import { hidden, isProtected, placeholderOf } from '../../recorder/hidden-event.js';
import { revealed } from './protected-event.js';
import type { DataKey, FoundKey, SubjectKeys } from './subject-keys.js';

/** Shows events as readers may see them. */
export class ProtectedReader {
  /** @param keys absent where nothing can be revealed */
  constructor(
    private readonly repository: SubjectKeyRepository,
    private readonly keys: SubjectKeys | undefined,
    private readonly warnings: RateLimitedLog,
  ) {}

  /**
   * Stored events in their order, with `[erased]` where the key is destroyed, and else with `[protected]`, or with their values.
   *
   * @param reveal whether values are shown, or the ids of those keys whose values are
   * @throws AuditError `AUDIT_STORE_UNAVAILABLE`, also where the KMS is away
   */
  async read(
    events: readonly AuditLogEvent[],
    reveal: boolean | ReadonlySet<string>,
  ): Promise<AuditLogEvent[]> {
    const ids = new Set(events.flatMap(({ metadata }) => keyIdOf(metadata[PROTECTED_KEY], 'v1') ?? []));
    const found = await this.find([...ids], reveal ? this.keys : undefined);
    const shown: AuditLogEvent[] = [];
    for (const event of events) {
      const keyId = keyIdOf(event.metadata[PROTECTED_KEY], 'v1');
      const isShown = typeof reveal === 'boolean' ? reveal : reveal.has(keyId ?? '');
      shown.push(
        isProtected(event) ? await this.showOne(event, found, isShown ? this.keys : undefined) : event,
      );
    }
    return shown;
  }

  /** To whom nothing is revealed it is enough to know whether a key is there, whoever has written that. */
  private async find(
    ids: readonly string[],
    keys: SubjectKeys | undefined,
  ): Promise<ReadonlyMap<string, FoundKey | SubjectKey>> {
    if (ids.length === 0) return new Map();
    if (keys) return keys.byIds(ids);
    return new Map((await this.repository.byIds(ids)).map((row) => [row.id, row]));
  }

  private async showOne(
    event: AuditLogEvent,
    found: ReadonlyMap<string, FoundKey | SubjectKey>,
    keys: SubjectKeys | undefined,
  ): Promise<AuditLogEvent> {
    const said = placeholderOf(event);
    if (said !== '[protected]') return hidden(event, said);
    const text = event.metadata[PROTECTED_KEY];
    const keyId = keyIdOf(text, 'v1');
    // Still as the journal had it, as in a dead letter that nothing could be done about.
    if (keyId === undefined) return hidden(event, keys ? '[unreadable]' : '[protected]');
    const row = found.get(keyId);
    // An erasure leaves the row.
    if (!row) return this.unreadable(event, `the key ${keyId} is gone from audit_keys`);
    if (row === 'forged') return this.unreadable(event, `nobody of this library has made the key ${keyId}`);
    if (!keys) return hidden(event, row.wrapped === '' ? '[erased]' : '[protected]');
    if (row.erasedAt !== null) return hidden(event, '[erased]');
    try {
      return await keys.use(row as DataKey, (key) =>
        revealed(event, decryptValues(key, String(text), event) as ProtectedValues),
      );
    } catch (error) {
      if (error instanceof AuditError) throw error;
      return this.unreadable(event, String((error as Error).message));
    }
  }

  private unreadable(event: AuditLogEvent, reason: string): AuditLogEvent {
    this.warnings.error(
      'unreadable',
      `The protected values of the audit event ${event.id} can't be read: ${reason}. nest-audit verify says whether the event was changed.`,
    );
    return hidden(event, '[unreadable]');
  }
}
