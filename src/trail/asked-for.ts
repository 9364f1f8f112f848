import { REDACTED } from '../event/safe-text.js';
import type { REDACTED_FIELDS } from '../recorder/redaction/redaction-options.js';
import type { Redactor } from '../recorder/redaction/redactor.js';

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

  /** A text of somebody's. @returns `undefined` for what is none, which is refused elsewhere */
  words(value: unknown): string | undefined {
    return typeof value === 'string' ? this.redactor.text(value) : undefined;
  }

  /** Who somebody is. @returns `undefined` for what is no name, which is refused elsewhere */
  async person(value: unknown, tenantId: string): Promise<string | undefined> {
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
