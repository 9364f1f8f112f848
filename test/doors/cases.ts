// The requests that are sent to every platform, what each leaves, and what a platform can't tell.
import { BODY_LIMIT } from './door.js';
import type { Sent } from './send.js';

type Fields = Readonly<Record<string, unknown>>;

export interface Case extends Sent {
  readonly name: string;
  /** What is told of its event on each platform, by the path of the field; `undefined`: there is none. */
  readonly event: Fields | undefined;
  /** What a platform tells otherwise. */
  readonly except?: readonly (readonly [Difference, Fields])[];
}

/** What a platform can't tell, or tells otherwise. They are the table of docs/start/doors.md. */
export interface Difference {
  readonly on: readonly string[];
  readonly what: string;
  readonly why: string;
}

const EXPRESS = ['Express 5', 'Express 4.21'];
const FASTIFY = ['Nest on Fastify', 'Fastify 5'];

const NO_RESULT: Difference = {
  on: EXPRESS,
  what: 'What a handler sends: `result` in the functions of `audited()`, and the id of a creation without `Location`',
  why: 'Express tells nobody what a handler sends. Annotate it.',
};
const NO_STAGE: Difference = {
  on: EXPRESS,
  what: '`metadata.stage` of what middleware refuses on a route',
  why: 'Express tells nobody whether middleware or the handler has answered.',
};
const VALIDATES_FIRST: Difference = {
  on: ['Fastify 5'],
  what: '`metadata.stage` of what a schema refuses is `guard`',
  why: 'Fastify validates before the last hook of a route, where the audit is its guard.',
};
const KNOWS_SENDER: Difference = {
  on: ['Fastify 5'],
  what: 'The user who sent a body that can not be parsed is known',
  why: 'Fastify runs its `onRequest` hooks before it parses.',
};
const KNOWS_LOST: Difference = {
  on: [...EXPRESS, 'Fastify 5'],
  what: 'The user who asked for a path that no route has is known',
  why: 'Middleware and `onRequest` hooks run for it, the guards of Nest do not.',
};
const HOOKS_ARE_GUARDS: Difference = {
  on: ['Fastify 5'],
  what: '`metadata.stage` of an error in a `preHandler` hook is `guard`',
  why: 'Hooks of a route come before the audit, which stands directly before the handler.',
};
const NO_STREAM: Difference = {
  on: ['Nest on Express'],
  what: '`metadata.errorName` of a `StreamableFile` that breaks, on a route with the parameter `id`',
  why: 'Nest sends it by other means than `pipe()`, and what such a handler returns is not looked at.',
};
const NO_CHARSETS: Difference = {
  on: FASTIFY,
  what: 'A body in an unknown charset is no failure',
  why: 'Fastify reads JSON whatever charset it is said to have.',
};
const NO_TYPES: Difference = {
  on: ['Nest on Express', ...EXPRESS],
  what: 'A body of an unknown type is no failure',
  why: "Express's parsers leave alone what is not of their type.",
};
const BAD_PATHS: Difference = {
  on: FASTIFY,
  what: 'A path that can not be decoded is refused with 400 and the category `security`',
  why: 'Fastify decodes each path; Express those alone that a route with parameters may take.',
};

export const ANN = { authorization: 'Bearer ann@acme', 'user-agent': 'conformance/1' };
const BOB = { authorization: 'Bearer bob@acme' };
const JSON_TYPE = { 'content-type': 'application/json' };

const WHO = {
  userId: 'ann',
  tenantId: 'acme',
  sessionId: 'session-ann',
  userAgent: 'conformance/1',
  'metadata.actorType': 'user',
  'metadata.roles': ['clerk'],
};
const NOBODY = { userId: undefined, tenantId: 'default', 'metadata.actorType': 'anonymous' };

const read = { ...WHO, category: 'data_access', outcome: 'success', severity: 'low' };
const change = { ...WHO, category: 'data_modification', outcome: 'success' };
const failed = { ...WHO, category: 'data_access', outcome: 'failure' };
const unrouted = {
  action: 'http.request',
  resource: 'http',
  outcome: 'failure',
  'metadata.route': undefined,
};
const unparsed = { ...unrouted, ...NOBODY, category: 'security', 'metadata.stage': 'parser' };

/** An update, where the body was not looked at. */
const UPDATED = {
  ...change,
  action: 'invoice.update',
  resource: 'invoice',
  resourceId: '7',
  'metadata.route': '/invoices/:id',
  'metadata.stage': undefined,
  'metadata.statusCode': 200,
};

/** Of a handler that throws what stands in the list of faults. */
function fault(id: string, statusCode: number, errorName: string): Case {
  return {
    name: `a handler that throws: ${id}`,
    method: 'GET',
    path: `/faults/${id}`,
    headers: ANN,
    event: {
      ...failed,
      action: 'fault.read',
      resourceId: id,
      'metadata.statusCode': statusCode,
      'metadata.errorName': errorName,
      'metadata.stage': undefined,
    },
  };
}

/** Of a handler that answers by Node's own response. */
function raw(id: string, name: string, event: Fields, more: Partial<Sent> = {}): Case {
  return {
    name,
    method: 'GET',
    path: `/raw/${id}`,
    headers: ANN,
    ...more,
    event: { ...WHO, action: 'raw.read', resourceId: id, category: 'data_access', ...event },
  };
}

export const CASES: readonly Case[] = [
  {
    name: 'a read',
    method: 'GET',
    path: '/invoices/7',
    headers: ANN,
    event: {
      ...read,
      action: 'invoice.read',
      resource: 'invoice',
      resourceId: '7',
      'metadata.method': 'GET',
      'metadata.route': '/invoices/:id',
      'metadata.path': '/invoices/7',
      'metadata.statusCode': 200,
      'metadata.stage': undefined,
      ipAddress: '127.0.0.1',
      details: {},
    },
  },
  {
    name: 'a list, with a query',
    method: 'GET',
    path: '/invoices?page=2',
    headers: ANN,
    event: { ...read, action: 'invoice.list', 'metadata.route': '/invoices', 'metadata.path': '/invoices' },
  },
  {
    name: 'HEAD of a read',
    method: 'HEAD',
    path: '/invoices/7',
    headers: ANN,
    event: { ...read, action: 'invoice.read', resourceId: '7', 'metadata.method': 'HEAD' },
  },
  {
    name: 'a route below a prefix, of a router or an application within',
    method: 'GET',
    path: '/api/v2/payments/7',
    headers: ANN,
    event: {
      ...read,
      action: 'payment.read',
      resource: 'payment',
      resourceId: '7',
      'metadata.route': '/api/v2/payments/:id',
      'metadata.path': '/api/v2/payments/7',
    },
  },
  {
    name: 'a creation',
    method: 'POST',
    path: '/invoices',
    headers: { ...ANN, ...JSON_TYPE },
    body: '{"amount":5}',
    event: { ...change, action: 'invoice.create', resourceId: '99', 'metadata.statusCode': 201 },
  },
  {
    name: 'an update that is annotated',
    method: 'PUT',
    path: '/invoices/7',
    headers: { ...ANN, ...JSON_TYPE },
    body: '{}',
    event: {
      ...change,
      action: 'invoice.update',
      resourceId: '7',
      details: { 'changes.amount.before': 1, 'changes.amount.after': 2 },
    },
  },
  {
    name: 'a deletion',
    method: 'DELETE',
    path: '/invoices/7',
    headers: ANN,
    event: {
      ...change,
      action: 'invoice.delete',
      resourceId: '7',
      severity: 'medium',
      'metadata.statusCode': 204,
    },
  },
  {
    name: 'details of the route and of the handler, secrets redacted',
    method: 'POST',
    path: '/invoices/7/approve',
    headers: ANN,
    event: {
      ...change,
      action: 'invoice.approve',
      resourceId: '7',
      severity: 'high',
      details: { step: 'second', amount: 12, password: '[redacted]' },
    },
  },
  {
    name: 'details of a result',
    method: 'POST',
    path: '/invoices/7/pay',
    headers: BOB,
    event: { userId: 'bob', action: 'invoice.pay', outcome: 'success', details: { amount: 99 } },
    except: [[NO_RESULT, { details: {} }]],
  },
  {
    name: 'details of a result that is not there, since a guard refused',
    method: 'POST',
    path: '/invoices/7/pay',
    headers: ANN,
    event: {
      ...WHO,
      action: 'invoice.pay',
      resourceId: '7',
      category: 'authorization',
      outcome: 'failure',
      details: {},
      'metadata.statusCode': 403,
      'metadata.stage': 'guard',
    },
    except: [[NO_STAGE, { 'metadata.stage': undefined }]],
  },
  {
    name: 'a part that failed (207)',
    method: 'POST',
    path: '/batches',
    headers: ANN,
    event: {
      ...change,
      action: 'batch.create',
      outcome: 'partial',
      severity: 'medium',
      'metadata.statusCode': 207,
    },
  },
  {
    name: 'a parameter that is refused',
    method: 'GET',
    path: '/numbers/seven',
    headers: ANN,
    event: {
      ...failed,
      action: 'number.read',
      'metadata.route': '/numbers/:number',
      'metadata.statusCode': 400,
      'metadata.stage': undefined,
    },
    except: [[VALIDATES_FIRST, { 'metadata.stage': 'guard' }]],
  },
  {
    name: 'a refusal with a reason',
    method: 'GET',
    path: '/invoices/7/denied',
    headers: ANN,
    event: {
      ...WHO,
      action: 'invoice.denied',
      category: 'authorization',
      outcome: 'failure',
      'details.reason': 'not the approver',
      'metadata.statusCode': 403,
    },
  },
  {
    name: 'a refusal that is hidden',
    method: 'GET',
    path: '/invoices/7/hidden',
    headers: ANN,
    event: {
      ...WHO,
      action: 'invoice.hidden',
      category: 'authorization',
      outcome: 'failure',
      'details.reason': 'of another department',
      'metadata.statusCode': 200,
    },
  },
  {
    name: 'nobody, where somebody is needed',
    method: 'GET',
    path: '/secrets',
    event: {
      ...NOBODY,
      action: 'secret.list',
      category: 'authentication',
      outcome: 'failure',
      'metadata.stage': 'guard',
    },
    except: [[NO_STAGE, { 'metadata.stage': undefined }]],
  },
  fault('error', 500, 'TypeError'),
  fault('string', 500, 'string'),
  fault('missing', 404, 'Refusal'),
  fault('method', 405, 'Refusal'),
  fault('timeout', 408, 'Refusal'),
  fault('coded', 500, 'DOMException'),
  {
    name: 'an error on the way to the handler',
    method: 'GET',
    path: '/faults/between',
    headers: ANN,
    event: {
      ...failed,
      action: 'fault.between',
      'metadata.route': '/faults/between',
      'metadata.statusCode': 500,
      'metadata.errorName': 'TypeError',
    },
    except: [[HOOKS_ARE_GUARDS, { 'metadata.stage': 'guard' }]],
  },
  {
    name: 'an error that the application answers itself',
    method: 'GET',
    path: '/faults/teapot',
    headers: ANN,
    event: {
      ...failed,
      action: 'fault.teapot',
      'metadata.statusCode': 418,
      'metadata.errorName': 'RangeError',
    },
  },
  {
    name: 'an error that the application answers with success',
    method: 'POST',
    path: '/faults/accepted',
    headers: ANN,
    event: {
      ...WHO,
      action: 'fault.accepted',
      category: 'data_modification',
      outcome: 'failure',
      'metadata.statusCode': 202,
      'metadata.errorName': 'RangeError',
    },
  },
  {
    name: 'an answer that can not be sent as JSON',
    method: 'GET',
    path: '/faults/circular',
    headers: ANN,
    event: {
      ...failed,
      action: 'fault.circular',
      'metadata.statusCode': 500,
      'metadata.errorName': 'TypeError',
    },
  },
  {
    name: 'a login whose handler says who it was',
    method: 'POST',
    path: '/sessions',
    event: {
      userId: 'eve',
      tenantId: 'acme',
      action: 'session.login',
      resource: 'session',
      category: 'authentication',
      outcome: 'success',
      'metadata.actorType': 'user',
    },
  },
  {
    name: 'a logout that forgets its user',
    method: 'POST',
    path: '/sessions/end',
    headers: ANN,
    event: { ...change, action: 'session.end', resource: 'session' },
  },
  {
    name: 'a secret parameter',
    method: 'POST',
    path: '/resets/s3cr3t-value',
    event: {
      ...NOBODY,
      action: 'reset.post',
      'metadata.route': '/resets/:token',
      'metadata.path': '/resets/[redacted]',
    },
  },
  {
    name: 'a secret parameter in a request that its route never sees',
    method: 'POST',
    path: '/resets/s3cr3t-value',
    headers: JSON_TYPE,
    body: '{',
    event: { ...unparsed, 'metadata.statusCode': 400, 'metadata.path': '/resets/[redacted]' },
  },
  {
    name: 'annotations that can not be stored',
    method: 'GET',
    path: '/annotations/hostile',
    headers: ANN,
    event: {
      ...read,
      action: 'annotation.hostile',
      details: { broken: '[unreadable]', kept: 'yes' },
      'metadata.stageErrors': ['annotate.outcome', 'annotate.userId'],
    },
  },
  {
    name: 'functions of a route that fail',
    method: 'GET',
    path: '/annotations/failing',
    headers: ANN,
    event: { ...read, action: 'annotation.failing', 'metadata.stageErrors': ['details', 'outcome'] },
  },
  {
    name: 'a stream',
    method: 'GET',
    path: '/reports',
    headers: ANN,
    event: { ...read, action: 'report.list', 'metadata.statusCode': 200 },
  },
  {
    name: 'a stream that breaks',
    method: 'GET',
    path: '/reports/3/broken',
    headers: ANN,
    event: {
      ...WHO,
      action: 'report.broken',
      outcome: 'partial',
      'metadata.errorName': 'RangeError',
      'metadata.aborted': undefined,
    },
    except: [[NO_STREAM, { 'metadata.errorName': undefined }]],
  },
  raw('manual', "an answer by Node's own response", { outcome: 'success', 'metadata.statusCode': 203 }),
  raw('events', 'server-sent events', { outcome: 'success', 'metadata.statusCode': 200 }),
  raw('destroyed', 'a response that the handler destroys', {
    outcome: 'partial',
    'metadata.statusCode': 200,
    'metadata.errorName': 'RangeError',
    'metadata.aborted': undefined,
  }),
  raw('object', 'an answer that Node refuses', { outcome: 'failure', 'metadata.statusCode': 500 }),
  raw('idle', 'a connection that times out', {
    outcome: 'partial',
    'metadata.statusCode': undefined,
    'metadata.aborted': true,
  }),
  raw(
    'never',
    'a client that leaves before the answer',
    { outcome: 'partial', 'metadata.statusCode': undefined, 'metadata.aborted': true },
    { leaves: 'begun' },
  ),
  raw(
    'slow',
    'a client that leaves in the middle of the answer',
    { outcome: 'partial', 'metadata.statusCode': 200, 'metadata.aborted': true },
    { leaves: 'answering' },
  ),
  {
    name: 'a redirection',
    method: 'GET',
    path: '/redirects',
    headers: ANN,
    event: { ...read, action: 'redirect.list', 'metadata.statusCode': 302 },
  },
  { name: 'what is left out', method: 'GET', path: '/health', headers: ANN, event: undefined },
  {
    name: 'no route',
    method: 'GET',
    path: '/none/of/this?token=secret',
    headers: ANN,
    event: {
      ...unrouted,
      category: 'system',
      'metadata.statusCode': 404,
      'metadata.path': '/none/of/this',
      'metadata.stage': 'router',
    },
    except: [[KNOWS_LOST, WHO]],
  },
  {
    name: 'a method that the path does not have',
    method: 'PATCH',
    path: '/invoices',
    event: { ...unrouted, category: 'system', 'metadata.method': 'PATCH', 'metadata.statusCode': 404 },
  },
  {
    name: 'OPTIONS that nobody answers',
    method: 'OPTIONS',
    path: '/none',
    event: { ...unrouted, category: 'system', 'metadata.method': 'OPTIONS', 'metadata.statusCode': 404 },
  },
  {
    name: 'a path that can not be decoded',
    method: 'GET',
    path: '/%zz',
    event: { ...unrouted, category: 'system', 'metadata.statusCode': 404, 'metadata.stage': 'router' },
    except: [[BAD_PATHS, { category: 'security', 'metadata.statusCode': 400, 'metadata.stage': 'parser' }]],
  },
  {
    name: 'malformed JSON',
    method: 'POST',
    path: '/invoices',
    headers: { ...ANN, ...JSON_TYPE },
    body: '{"amount":',
    event: { ...unparsed, 'metadata.statusCode': 400 },
    except: [[KNOWS_SENDER, WHO]],
  },
  {
    name: 'a body that is too large',
    method: 'POST',
    path: '/invoices',
    headers: { ...ANN, ...JSON_TYPE },
    body: JSON.stringify('x'.repeat(BODY_LIMIT)),
    event: { ...unparsed, 'metadata.statusCode': 413 },
    except: [[KNOWS_SENDER, WHO]],
  },
  {
    name: 'a body in an unknown charset',
    method: 'PUT',
    path: '/invoices/7',
    headers: { ...ANN, 'content-type': 'application/json; charset=nonsense' },
    body: '{}',
    event: { ...unparsed, 'metadata.statusCode': 415 },
    except: [[NO_CHARSETS, UPDATED]],
  },
  {
    name: 'a body of an unknown type',
    method: 'PUT',
    path: '/invoices/7',
    headers: { ...ANN, 'content-type': 'application/nonsense' },
    body: '{}',
    event: { ...unparsed, 'metadata.statusCode': 415 },
    except: [
      [KNOWS_SENDER, WHO],
      [NO_TYPES, UPDATED],
    ],
  },
];
