import { isEventId } from '../event/event-id.js';
import { readEntries } from '../event/flatten.js';
import { present } from '../event/present.js';
import { REDACTED } from '../event/safe-text.js';
import type { ProtectedField } from '../features/protection/protection-options.js';
import { REDACTED_FIELDS } from '../recorder/redaction/redaction-options.js';
import type { Redactor } from '../recorder/redaction/redactor.js';
import { storedForm } from '../recorder/stored-text.js';
import { refuseHold } from './retention/legal-holds.js';
import type { LegalHoldInput, LegalHoldRelease } from './retention/legal-holds.js';

/** What is protected in events, and the digest that stands for such a value elsewhere. */
export interface ProtectedIdentities {
  readonly fields: readonly ProtectedField[];
  readonly isProtectedFact: (key: string) => boolean;
  /** As the event of an erasure names a person. */
  readonly digest: (tenantId: string, value: string) => Promise<string>;
}

type Field = (typeof REDACTED_FIELDS)[number];

/** What a query can ask for that names nobody. */
const OPEN = new Set([
  'action',
  'resource',
  'severity',
  'category',
  'outcome',
  'complianceFlag',
  'from',
  'to',
  'minRiskScore',
  'maxRiskScore',
  'top',
  'interval',
]);
const PSEUDONYM = /^hmac:v1:[\w-]{43}$/;
/** Stands for a protected value where its digest can't be had, as while a KMS is away. */
const HIDDEN = '[protected]';

/**
 * What the audit's own events may say of what somebody asked for: a value that events have redacted or protected is so here as well, so that
 * nothing is left in clear that an erasure can't reach.
 */
export class AskedFor {
  /** @param protection absent where nothing is protected */
  constructor(
    private readonly redactor: Redactor,
    private readonly protection?: ProtectedIdentities,
  ) {}

  /** The filter as the event of the read has it. @param tenantId `''` where it is of all tenants */
  async filter(
    filter: Readonly<Record<string, unknown>>,
    tenantId: string,
  ): Promise<Record<string, unknown>> {
    const shown: Record<string, unknown> = {};
    for (const [name, value] of Object.entries(filter)) {
      if (value === undefined || value === null) continue;
      const isRecord = typeof value === 'object' && !Array.isArray(value);
      if (isRecord && (name === 'details' || name === 'metadata')) {
        const facts: Record<string, unknown> = {};
        for (const [key, fact] of readEntries(value)) {
          facts[key] = await this.values(`${name}.${key}`, fact, tenantId);
        }
        shown[name] = facts;
      } else shown[name] = await this.values(name, value, tenantId);
    }
    return shown;
  }

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

  private async values(name: string, value: unknown, tenantId: string): Promise<unknown> {
    if (!Array.isArray(value)) return this.value(name, value, tenantId);
    return Promise.all(value.slice(0, 100).map((item) => this.value(name, item, tenantId)));
  }

  private async value(name: string, value: unknown, tenantId: string): Promise<unknown> {
    if (OPEN.has(name)) return value;
    if ((name === 'id' || name === 'after') && isEventId(value)) return value;
    if (typeof value === 'object' || typeof value === 'function') return this.hidesAny ? HIDDEN : value;
    const text = String(value);
    if ((REDACTED_FIELDS as readonly string[]).includes(name))
      return this.field(name as Field, text, tenantId);
    // Whose it is, only the option protect.subject knows.
    if (name === 'subjectId')
      return this.protection ? this.digest(text, tenantId) : this.field('userId', text, tenantId);
    const mode = this.redactor.modeOf(name);
    if (mode) return this.redactor.redact(text, mode);
    const isFact = name.startsWith('details.') || name.startsWith('metadata.');
    if (isFact && !this.protection?.isProtectedFact(name)) return value;
    // A text to look for anywhere, and what no query has, may be anything.
    return this.hidesAny ? this.digest(text, tenantId) : value;
  }

  private get hidesAny(): boolean {
    return this.protection !== undefined || this.redactor.hidesFields;
  }

  private async digest(text: string, tenantId: string): Promise<string> {
    if (!this.protection) return REDACTED;
    try {
      return await this.protection.digest(tenantId, text);
    } catch {
      return HIDDEN;
    }
  }
}
