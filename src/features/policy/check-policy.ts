import { isFilledText, isObject } from '../../event/option-schema.js';
import { readFileSync } from 'node:fs';
import type { RecordingLevel } from '../../capture/recording.js';
import { AuditError } from '../../event/audit-error.js';
import { showContents } from '../../event/show-value.js';
import { flawOfPattern } from './path-pattern.js';
import { POLICY_LEVELS } from './policy-rule.js';
import type { PolicyOptions, PolicyRule } from './policy-rule.js';

/**
 * The rules of a policy, read from its file where it is one, each of them checked.
 *
 * @throws AuditError `AUDIT_INVALID_OPTIONS`, with the rule and the field at fault, `policy[2].match.status`, and what to
 *   write instead
 */
export function checkPolicy(options: PolicyOptions): readonly PolicyRule[] {
  const rules: unknown = isObject(options) && 'file' in options ? readRules(options['file']) : options;
  if (!Array.isArray(rules)) {
    throw invalid(
      'policy',
      `The audit option policy is ${showContents(rules)}: write a list of rules, [{ level: 'none', match: { path: '/health' } }], or { file: 'audit-policy.json' }.`,
    );
  }
  const ids = new Set<string>();
  rules.forEach((rule, index) => new RuleCheck(rule, index, ids).check());
  return rules as PolicyRule[];
}

/** A file holds the list by itself, or as `rules`. */
function readRules(file: unknown): unknown {
  if (typeof file !== 'string' || file === '') {
    throw invalid(
      'policy.file',
      `The audit option policy.file is ${showContents(file)}: write the path of a JSON file, 'audit-policy.json'.`,
    );
  }
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(file, 'utf8'));
  } catch (cause) {
    const why = cause instanceof SyntaxError ? 'is no JSON' : 'can not be read';
    throw invalid(
      'policy.file',
      `The audit policy's file ${file} ${why} (${(cause as Error).message}): write { "rules": [{ "level": "none", "match": { "path": "/health" } }] }.`,
      cause,
    );
  }
  if (Array.isArray(content)) return content;
  const names = isObject(content) ? Object.keys(content) : [];
  if (isObject(content) && names.length === 1 && Array.isArray(content['rules'])) return content['rules'];
  throw invalid(
    'policy.file',
    `The audit policy's file ${file} has no list of rules: write { "rules": [{ "level": "none", "match": { "path": "/health" } }] }, and nothing beside.`,
  );
}

const KNOWN = ['id', 'description', 'level', 'match', 'body', 'query', 'response'];
const FACTS = ['path', 'route', 'method', 'controller', 'status', 'user', 'tenant', 'role'];
/** The level from which a selection of fields has a meaning. */
const SELECTIONS: Readonly<Record<'body' | 'query' | 'response', RecordingLevel>> = {
  body: 'request',
  query: 'request',
  response: 'response',
};

/** The check of one rule, which knows how to name it. */
class RuleCheck {
  constructor(
    private readonly rule: unknown,
    private readonly index: number,
    private readonly ids: Set<string>,
  ) {}

  check(): void {
    const { rule } = this;
    if (!isObject(rule)) this.refuse('', rule, "{ level: 'none', match: { path: '/health' } }");
    this.checkNames('', rule, KNOWN);
    const { id, description, level, match } = rule;
    if (id !== undefined) {
      if (!isFilledText(id) || id.length > 128) this.refuse('id', id, 'a text of 1 to 128 characters');
      if (id.startsWith('#')) this.refuse('id', id, 'a text without # at its beginning');
      if (this.ids.has(id)) this.refuse('id', id, 'another: there is a rule of this id before');
      this.ids.add(id);
    }
    if (description !== undefined && typeof description !== 'string') {
      this.refuse('description', description, 'a text');
    }
    if (!POLICY_LEVELS.includes(level as RecordingLevel)) {
      this.refuse('level', level, POLICY_LEVELS.map((known) => `'${known}'`).join(' or '));
    }
    // Undefined by mistake, as an environment variable that is not set, would match every request.
    if ('match' in rule) this.checkMatch(match);
    for (const [name, from] of Object.entries(SELECTIONS)) {
      const value = rule[name];
      if (value === undefined) continue;
      if (typeof value !== 'boolean' && !(Array.isArray(value) && value.every(isFilledText))) {
        this.refuse(name, value, "true, false or a list of field names, ['amount', 'currency']");
      }
      if (POLICY_LEVELS.indexOf(level as RecordingLevel) < POLICY_LEVELS.indexOf(from)) {
        this.refuse(name, value, `level: '${from}', since level '${String(level)}' does not record it`);
      }
    }
  }

  private checkMatch(match: unknown): void {
    if (!isObject(match)) this.refuse('match', match, "an object, { path: '/health' }");
    this.checkNames('match', match, FACTS);
    for (const [name, value] of Object.entries(match)) {
      const field = `match.${name}`;
      if (Array.isArray(value) && value.length === 0)
        this.refuse(field, value, 'at least one, or leave it out');
      for (const one of [value].flat()) this.checkFact(field, name, one);
    }
  }

  private checkFact(field: string, name: string, value: unknown): void {
    if (name === 'status') {
      const isCode = Number.isInteger(value) && (value as number) >= 100 && (value as number) <= 599;
      const isKind = typeof value === 'string' && /^[1-5]xx$/.test(value);
      if (!isCode && !isKind) this.refuse(field, value, "a code, 404, or a kind of them, '4xx'");
      return;
    }
    if (!isFilledText(value)) this.refuse(field, value, 'a text that is not empty, or a list of them');
    if (name === 'method' && !/^[a-z-]+$/i.test(value)) this.refuse(field, value, "a method, 'POST'");
    const flaw = name === 'path' ? flawOfPattern(value) : undefined;
    if (flaw !== undefined) this.refuse(field, value, flaw);
  }

  private checkNames(field: string, value: Record<string, unknown>, known: readonly string[]): void {
    const stranger = Object.keys(value).find((name) => !known.includes(name));
    if (stranger === undefined) return;
    const path = field === '' ? stranger : `${field}.${stranger}`;
    throw invalid(
      this.pathOf(path),
      `There is no "${path}" in a rule of the audit policy (${this.name}). What there is: ${known.join(', ')}.`,
    );
  }

  private refuse(field: string, value: unknown, write: string): never {
    const what = field === '' ? 'it' : field;
    throw invalid(
      this.pathOf(field),
      `A rule of the audit policy (${this.name}) is not valid: ${what} is ${showContents(value)}; write ${write}.`,
    );
  }

  private pathOf(field: string): string {
    return field === '' ? `policy[${this.index}]` : `policy[${this.index}].${field}`;
  }

  private get name(): string {
    const id = isObject(this.rule) ? this.rule['id'] : undefined;
    return isFilledText(id) ? `policy[${this.index}], "${id.slice(0, 128)}"` : `policy[${this.index}]`;
  }
}

function invalid(field: string, message: string, cause?: unknown): AuditError {
  return new AuditError('AUDIT_INVALID_OPTIONS', message, { field, cause });
}
