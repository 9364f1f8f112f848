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

/**
 * A filter as the event of the read has it: what events have redacted or protected is so here as well. The function that it returns gets
 * the filter, and its tenant: `''` where it is of all tenants.
 */
export function filterWords(asked: AskedFor, redactor: Redactor) {
  async function shown(name: string, value: unknown, tenantId: string): Promise<unknown> {
    if (Array.isArray(value)) {
      return Promise.all(value.slice(0, 100).map((item) => shownOne(name, item, tenantId)));
    }
    return shownOne(name, value, tenantId);
  }

  async function shownOne(name: string, value: unknown, tenantId: string): Promise<unknown> {
    if (OPEN.has(name)) return value;
    if ((name === 'id' || name === 'after') && isEventId(value)) return value;
    const { protection } = asked.atRest;
    const hidesAny = protection !== undefined || redactor.hidesFields;
    if (typeof value === 'object' || typeof value === 'function') return hidesAny ? HIDDEN : value;
    const text = String(value);
    if (REDACTED_FIELDS.includes(name as Field)) return asked.field(name as Field, text, tenantId);
    // Whose it is, only the feature that protects knows.
    if (name === 'subjectId') {
      return protection ? asked.digest(text, tenantId) : asked.field('userId', text, tenantId);
    }
    const mode = redactor.modeOf(name);
    if (mode) return redactor.redact(text, mode);
    const isFact = name.startsWith('details.') || name.startsWith('metadata.');
    if (isFact && !protection?.protects(name)) return value;
    // A text to look for anywhere, and what no query has, may be anything.
    return hidesAny ? asked.digest(text, tenantId) : value;
  }

  return async (filter: Readonly<Record<string, unknown>>, tenantId: string) => {
    const words: Record<string, unknown> = {};
    for (const [name, value] of Object.entries(filter)) {
      if (value === undefined || value === null) continue;
      const isRecord = typeof value === 'object' && !Array.isArray(value);
      if (isRecord && (name === 'details' || name === 'metadata')) {
        const facts: Record<string, unknown> = {};
        for (const [key, fact] of readEntries(value)) {
          facts[key] = await shown(`${name}.${key}`, fact, tenantId);
        }
        words[name] = facts;
      } else words[name] = await shown(name, value, tenantId);
    }
    return words;
  };
}
