import { isEventId } from '../../event/event-id.js';
import { readEntries } from '../../event/flatten.js';
import { REDACTED_FIELDS } from '../../recorder/redaction/redaction-options.js';
import type { Redactor } from '../../recorder/redaction/redactor.js';
import { HIDDEN } from '../../trail/asked-for.js';
import type { AskedFor } from '../../trail/asked-for.js';

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

/** A filter as the event of the read has it: what events have redacted or protected is so here as well. */
export class FilterWords {
  constructor(
    private readonly asked: AskedFor,
    private readonly redactor: Redactor,
  ) {}

  /** @param tenantId `''` where it is of all tenants */
  async of(filter: Readonly<Record<string, unknown>>, tenantId: string): Promise<Record<string, unknown>> {
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

  private async values(name: string, value: unknown, tenantId: string): Promise<unknown> {
    if (!Array.isArray(value)) return this.value(name, value, tenantId);
    return Promise.all(value.slice(0, 100).map((item) => this.value(name, item, tenantId)));
  }

  private async value(name: string, value: unknown, tenantId: string): Promise<unknown> {
    if (OPEN.has(name)) return value;
    if ((name === 'id' || name === 'after') && isEventId(value)) return value;
    const { protection } = this.asked.atRest;
    const hidesAny = protection !== undefined || this.redactor.hidesFields;
    if (typeof value === 'object' || typeof value === 'function') return hidesAny ? HIDDEN : value;
    const text = String(value);
    if ((REDACTED_FIELDS as readonly string[]).includes(name))
      return this.asked.field(name as Field, text, tenantId);
    // Whose it is, only the feature that protects knows.
    if (name === 'subjectId')
      return protection ? this.asked.digest(text, tenantId) : this.asked.field('userId', text, tenantId);
    const mode = this.redactor.modeOf(name);
    if (mode) return this.redactor.redact(text, mode);
    const isFact = name.startsWith('details.') || name.startsWith('metadata.');
    if (isFact && !protection?.protects(name)) return value;
    // A text to look for anywhere, and what no query has, may be anything.
    return hidesAny ? this.asked.digest(text, tenantId) : value;
  }
}
