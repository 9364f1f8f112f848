import { readFileSync } from 'node:fs';
import { fieldSelection } from '../../capture/select-fields.js';
import { AuditError } from '../../event/audit-error.js';
import {
  firstFault,
  group,
  isFilledText,
  isObject,
  list,
  oneOf,
  option,
  ruled,
  wrongOption,
} from '../../event/option-schema.js';
import type { OptionFault, OptionSchema } from '../../event/option-schema.js';
import { showContents } from '../../event/show-value.js';
import { isStatusCode } from './check-subject.js';
import { flawOfPattern } from './path-pattern.js';
import { POLICY_LEVELS } from './policy-rule.js';
import type { PolicyMatch, PolicyOptions, PolicyRule } from './policy-rule.js';

const RULE = "{ level: 'none', match: { path: '/health' } }";
const FILE = '{ "rules": [{ "level": "none", "match": { "path": "/health" } }] }';

const STATUS = "a code, 404, or a kind of them, '4xx'";

const isKind = (value: unknown) => typeof value === 'string' && /^[1-5]xx$/.test(value);
const text = fact(() => undefined);
const facts = {
  path: fact(flawOfPattern),
  route: text,
  method: fact((value) => (/^[a-z-]+$/i.test(value) ? undefined : "a method, 'POST'")),
  controller: text,
  status: oneOrMore((value) => (isStatusCode(value) || isKind(value) ? undefined : STATUS), STATUS),
  user: text,
  tenant: text,
  role: text,
} satisfies Record<keyof PolicyMatch, OptionSchema>;

/** One rule of a policy. */
export const policyRuleSchema = ruled(
  group(
    {
      id: ruled(
        option((id) => isFilledText(id) && id.length <= 128, 'a text of 1 to 128 characters'),
        (id: string) => (id.startsWith('#') ? wrong([], id, 'a text without # at its beginning') : undefined),
      ),
      description: option((value) => typeof value === 'string', 'a text'),
      level: oneOf(POLICY_LEVELS),
      // Undefined by mistake, as an environment variable that is not set, would match every request.
      match: group(facts, { filled: Object.keys(facts), write: "an object, { path: '/health' }" }),
      body: fieldSelection,
      query: fieldSelection,
      response: fieldSelection,
    } satisfies Record<keyof PolicyRule, OptionSchema>,
    { required: ['level'], filled: ['match'], write: RULE },
  ),
  unrecorded,
);

const policySchema = ruled(
  list(policyRuleSchema, `a list of rules, [${RULE}], or { file: 'audit-policy.json' }`),
  (rules: readonly PolicyRule[]) => {
    const ids = rules.map(({ id }) => id);
    const twice = ids.findIndex((id, index) => id !== undefined && ids.indexOf(id) < index);
    return twice < 0
      ? undefined
      : wrong([twice, 'id'], ids[twice], 'another: there is a rule of this id before');
  },
);

/**
 * The rules of a policy, read from its file where it is one, each of them checked.
 *
 * @throws AuditError `AUDIT_INVALID_OPTIONS`, with the rule and the field at fault, `policy[2].match.status`, and what to
 *   write instead
 */
export function checkPolicy(options: PolicyOptions): readonly PolicyRule[] {
  const rules: unknown = isObject(options) && 'file' in options ? readRules(options['file']) : options;
  const found = firstFault(policySchema, rules, 'policy');
  if (!found) return rules as PolicyRule[];
  const { at, kind, input, message } = found;
  const [, place, part] = /^policy\[(\d+)\]\.?(.*)$/.exec(at) ?? [];
  if (place === undefined) throw wrongOption(at, `is ${showContents(input)}: write ${message}`);
  const { id } = Object((rules as unknown[])[Number(place)]) as { readonly id?: unknown };
  const name = `(policy[${place}]${isFilledText(id) ? `, "${id.slice(0, 128)}"` : ''})`;
  if (kind === 'unknown') {
    throw invalid(
      at,
      `There is no "${part}" in a rule of the audit policy ${name}. What there is: ${message}`,
    );
  }
  const fault = kind === 'ruled' ? message : wrong([], input, message).fault;
  throw invalid(at, `A rule of the audit policy ${name} is not valid: ${part || 'it'} ${fault}`);
}

/** A file has the list by itself, or as `rules`. */
function readRules(file: unknown): unknown {
  if (!isFilledText(file)) {
    throw wrongOption(
      'policy.file',
      `is ${showContents(file)}: write the path of a JSON file, 'audit-policy.json'`,
    );
  }
  const refuse = (why: string, cause?: unknown) =>
    invalid('policy.file', `The audit policy's file ${file} ${why}`, cause);
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(file, 'utf8'));
  } catch (cause) {
    const why = cause instanceof SyntaxError ? 'is no JSON' : 'can not be read';
    throw refuse(`${why} (${(cause as Error).message}): write ${FILE}`, cause);
  }
  const { rules, ...others } = Object(Array.isArray(content) ? { rules: content } : content) as {
    rules?: unknown;
  };
  if (Array.isArray(rules) && Object.keys(others).length === 0) return rules;
  throw refuse(`has no list of rules: write ${FILE}, and nothing beside`);
}

/** A text, or a list of them. @param flaw what to write instead of it; `undefined` where it is right */
function fact(flaw: (text: string) => string | undefined): OptionSchema {
  const write = 'a text that is not empty, or a list of them';
  return oneOrMore((value) => (isFilledText(value) ? flaw(value) : write), write);
}

function oneOrMore(flaw: (value: unknown) => string | undefined, write: string): OptionSchema {
  return ruled(
    option(() => true, write),
    (value: unknown) => {
      if (Array.isArray(value) && value.length === 0)
        return wrong([], value, 'at least one, or leave it out');
      for (const one of [value].flat()) {
        const instead = flaw(one);
        if (instead !== undefined) return wrong([], one, instead);
      }
      return undefined;
    },
  );
}

/** A selection of fields has a meaning from a level on. */
function unrecorded(rule: PolicyRule): OptionFault | undefined {
  for (const [name, from] of [
    ['body', 'request'],
    ['query', 'request'],
    ['response', 'response'],
  ] as const) {
    if (rule[name] === undefined || POLICY_LEVELS.indexOf(rule.level) >= POLICY_LEVELS.indexOf(from))
      continue;
    return wrong([name], rule[name], `level: '${from}', since level '${rule.level}' does not record it`);
  }
  return undefined;
}

function wrong(at: OptionFault['at'], value: unknown, write: string): OptionFault {
  return { at, fault: `is ${showContents(value)}; write ${write}` };
}

function invalid(field: string, message: string, cause?: unknown): AuditError {
  return new AuditError('AUDIT_INVALID_OPTIONS', `${message}.`, { field, cause });
}
