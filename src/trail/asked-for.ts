import { REDACTED } from '../event/safe-text.js';
import type { AtRest } from '../recorder/at-rest.js';
import type { RedactedField } from '../recorder/redaction/redaction-options.js';
import { isPseudonym } from '../recorder/redaction/pseudonym.js';
import type { Redactor } from '../recorder/redaction/redactor.js';

/** Stands for a protected value where its digest can't be had, as while a KMS is away. */
export const HIDDEN = '[protected]';

/**
 * What the audit's own events may say of what somebody asked for: a value that events have redacted or protected is so here as well, so that
 * nothing is left in clear that an erasure can't reach.
 */
export class AskedFor {
  constructor(
    private readonly redactor: Redactor,
    readonly atRest: AtRest,
  ) {}

  /** A field of an event as events store it, or the digest that stands for it. */
  async field(name: RedactedField, value: string, tenantId: string): Promise<string> {
    const mode = this.redactor.modeOf(name);
    if (mode) return isPseudonym(value) ? value : this.redactor.redact(value, mode);
    if (this.atRest.protection?.protects(name)) return this.digest(value, tenantId);
    return name === 'ipAddress' ? this.redactor.ip(value) : value;
  }

  /** A text of somebody's. @returns `undefined` for anything else, which is refused elsewhere */
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
    const { protection } = this.atRest;
    if (!protection) return REDACTED;
    try {
      return await protection.digest(tenantId, text);
    } catch {
      return HIDDEN;
    }
  }
}
