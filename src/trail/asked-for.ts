import { present } from '../event/present.js';
import { REDACTED } from '../event/safe-text.js';
import type { REDACTED_FIELDS } from '../recorder/redaction/redaction-options.js';
import type { Redactor } from '../recorder/redaction/redactor.js';
import { storedForm } from '../recorder/stored-text.js';
import { refuseHold } from './retention/legal-holds.js';
import type { LegalHoldInput, LegalHoldRelease } from './retention/legal-holds.js';

/** What is protected in events, and the digest that stands for such a value elsewhere. */
export interface ProtectedIdentities {
  readonly fields: readonly string[];
  readonly isProtectedFact: (key: string) => boolean;
  /** As the event of an erasure names a person. */
  readonly digest: (tenantId: string, value: string) => Promise<string>;
}

type Field = (typeof REDACTED_FIELDS)[number];

const PSEUDONYM = /^hmac:v1:[\w-]{43}$/;
/** Stands for a protected value where its digest can't be had, as while a KMS is away. */
export const HIDDEN = '[protected]';

/**
 * What the audit's own events may say of what somebody asked for: a value that events have redacted or protected is so here as well, so that
 * nothing is left in clear that an erasure can't reach.
 */
export class AskedFor {
  /** @param protection absent where nothing is protected */
  constructor(
    private readonly redactor: Redactor,
    readonly protection?: ProtectedIdentities,
  ) {}

  /** A field of an event as events store it, or the digest that stands for it. */
  async field(name: Field, value: string, tenantId: string): Promise<string> {
    const mode = this.redactor.modeOf(name);
    if (mode) return PSEUDONYM.test(value) ? value : this.redactor.redact(value, mode);
    if (this.protection?.fields.includes(name)) return this.digest(value, tenantId);
    return name === 'ipAddress' ? this.redactor.ip(value) : value;
  }

  /**
   * A legal hold whose user and resource are in the form in which events have them: so it finds these, and names nobody in clear.
   *
   * @throws AuditError `AUDIT_INVALID_QUERY` on what is protected, or redacted so that several become one: no event is found by it
   */
  async hold(hold: LegalHoldInput): Promise<LegalHoldInput> {
    const { tenantId = '', placedBy, reason } = hold;
    const named: Partial<Record<'userId' | 'resource' | 'resourceId', string>> = {};
    for (const name of ['userId', 'resource', 'resourceId'] as const) {
      const value: unknown = hold[name];
      if (typeof value !== 'string' || value === '') continue;
      if (name !== 'resource' && this.protection?.fields.includes(name)) {
        throw refuseHold(
          name,
          `${name} is among protect.fields, so that no event is found by it. Place the hold on a resource, a time or the tenant`,
        );
      }
      const stored = storedForm(this.redactor, name, value);
      if (stored === undefined) {
        throw refuseHold(
          name,
          `redaction makes one value of several in the place of this ${name}, so that its events can't be told from others. Place the hold on the value that they show, on a time or on the tenant`,
        );
      }
      named[name] = stored;
    }
    return {
      ...hold,
      ...named,
      ...present('reason', this.words(reason)),
      ...present('placedBy', await this.person(placedBy, tenantId)),
    };
  }

  async release(release: LegalHoldRelease): Promise<LegalHoldRelease> {
    return {
      ...release,
      ...present('reason', this.words(release.reason)),
      ...present('liftedBy', await this.person(release.liftedBy, '')),
    };
  }

  /** @returns `undefined` for what is no text, which is refused elsewhere */
  private words(value: unknown): string | undefined {
    return typeof value === 'string' ? this.redactor.text(value) : undefined;
  }

  /** @returns `undefined` for what is no name, which is refused elsewhere */
  private async person(value: unknown, tenantId: string): Promise<string | undefined> {
    return typeof value === 'string' && value.trim() !== ''
      ? this.words(await this.field('userId', value, tenantId))
      : undefined;
  }

  /** The digest that stands for a value, or `[redacted]` where nothing is protected. */
  async digest(text: string, tenantId: string): Promise<string> {
    if (!this.protection) return REDACTED;
    try {
      return await this.protection.digest(tenantId, text);
    } catch {
      return HIDDEN;
    }
  }
}
