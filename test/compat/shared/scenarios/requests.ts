import assert from 'node:assert/strict';
import type { DynamicModule, INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { KEEPINGS, RunningApp } from '../running-app.js';
import type { RequestSays, RunOptions } from '../running-app.js';
import type { Scenario } from './scenario.js';

interface Case extends RequestSays {
  readonly request: string;
  readonly event: Readonly<Record<string, unknown>>;
}

const alice = { user: 'alice@acme' };
const byAlice = { userId: 'alice', tenantId: 'acme' };
const byNobody = { userId: undefined, tenantId: 'default' };

/** Requests that end in different rooms of Nest, and what must be known of each. */
const CASES: readonly Case[] = [
  {
    request: 'GET /invoices',
    ...alice,
    event: {
      action: 'invoice.list',
      category: 'data_access',
      outcome: 'success',
      statusCode: 200,
      ...byAlice,
    },
  },
  {
    request: 'POST /invoices',
    ...alice,
    body: { amount: 120 },
    event: {
      action: 'invoice.create',
      category: 'data_modification',
      outcome: 'success',
      statusCode: 201,
      amount: 120,
      ...byAlice,
    },
  },
  {
    request: 'GET /invoices/none',
    ...alice,
    event: {
      action: 'invoice.read',
      resourceId: 'none',
      outcome: 'failure',
      statusCode: 404,
      errorName: 'NotFoundException',
      ...byAlice,
    },
  },
  {
    request: 'POST /invoices',
    ...alice,
    body: { amount: -1 },
    event: {
      action: 'invoice.create',
      outcome: 'failure',
      statusCode: 400,
      errorName: 'BadRequestException',
      ...byAlice,
    },
  },
  {
    request: 'POST /invoices',
    ...alice,
    body: '{ "amount": ',
    event: { action: 'http.request', category: 'security', outcome: 'failure', statusCode: 400, ...byNobody },
  },
  {
    request: 'GET /invoices',
    event: {
      action: 'invoice.list',
      category: 'authentication',
      outcome: 'failure',
      statusCode: 401,
      stage: 'guard',
      ...byNobody,
    },
  },
  {
    request: 'GET /nowhere',
    ...alice,
    event: { action: 'http.request', category: 'system', outcome: 'failure', statusCode: 404, ...byNobody },
  },
];

const onFastify = (module: DynamicModule): Promise<INestApplication> =>
  NestFactory.create(module, new FastifyAdapter(), { logger: ['error', 'warn'], abortOnError: false });

const WAYS: readonly (RunOptions & { readonly name: string })[] = [
  ...KEEPINGS.map((keeping) => ({ name: keeping, keeping })),
  { name: 'on Fastify', create: onFastify },
];

/** Every request is exactly one event, wherever it ended. */
export const requestScenarios: readonly Scenario[] = WAYS.map(({ name, ...options }) => ({
  name: `${name}: every request is exactly one event`,
  run: () =>
    RunningApp.use(options, async (app) => {
      for (const { request, user, body, event } of CASES) {
        const [method = '', path = ''] = request.split(' ');
        const answer = await app.request(method, path, { user, body });
        assert.equal(answer.status, event.statusCode, request);
        const id = answer.status === 201 ? ((await answer.json()) as { id: string }).id : event.resourceId;

        await app.audit.flush();
        const before = CASES.findIndex((one) => one.event === event);
        const { events } = await app.audit.find({ allTenants: true });
        assert.equal(events.length, before + 1, `${request}: ${events.length - before} events`);
        const [newest] = events;
        assert.ok(newest);
        const facts: Record<string, unknown> = { ...newest.details, ...newest.metadata, ...newest };
        const expected = { ...event, method, path, resourceId: id };
        const seen = Object.fromEntries(Object.keys(expected).map((name) => [name, facts[name]]));
        assert.deepEqual(seen, expected, request);
      }
    }),
}));
