import type { INestApplication, Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Test } from '@nestjs/testing';
import { AuditTestingModule } from 'nest-audit-trail/testing';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AppModule } from '../src/app.module';
import { AppAuditModule } from '../src/audit.module';
import { setUp } from '../src/set-up';
import { freshDatabase } from './database';

/** What a client gets. */
export interface Answer {
  readonly request: string;
  readonly status: number;
  readonly type: string | null;
  readonly body: unknown;
}

export interface Sent {
  readonly token?: string;
  readonly language?: string;
  readonly body?: object | string | FormData;
}

export type Send = (method: string, path: string, request?: Sent) => Promise<Answer>;

export interface RunningApp {
  readonly app: INestApplication;
  /** What the application has printed into its log, but for the next. */
  readonly logged: string[];
  /** Of it, the warnings and errors. */
  readonly warned: string[];
  readonly send: Send;
}

/** Starts the application on a database of its own, with or without the audit. */
export async function startApp(audit: readonly Type[] = []): Promise<RunningApp> {
  process.env['DATABASE_URL'] = await freshDatabase();
  process.env['AUDIT_FOLDER'] = mkdtempSync(join(tmpdir(), 'boilerplate-'));
  const [logged, warned]: string[][] = [[], []];
  const keep = (message: unknown) => void logged!.push(String(message));
  const warn = (message: unknown) => void warned!.push(String(message));
  const app = await NestFactory.create(AppModule.with(audit), {
    logger: { log: keep, warn, error: warn, fatal: warn },
    abortOnError: false,
  });
  return { app, logged: logged!, warned: warned!, send: await listen(app) };
}

/** The audit's folder of every worker, which nobody makes. */
export const NO_FOLDER = join(tmpdir(), 'boilerplate-of-no-worker');

/** Starts the application as its own tests do: the audit has neither a database nor a folder. */
export async function startTested(): Promise<{
  readonly app: INestApplication;
  readonly send: Send;
  readonly audit: AuditTestingModule;
}> {
  process.env['DATABASE_URL'] = await freshDatabase();
  process.env['AUDIT_FOLDER'] = NO_FOLDER;
  const imports = [AppModule.with([AppAuditModule]), AuditTestingModule];
  const module = await Test.createTestingModule({ imports }).compile();
  const app = module.createNestApplication({ logger: false });
  return { app, send: await listen(app), audit: app.get(AuditTestingModule) };
}

async function listen(app: INestApplication): Promise<Send> {
  setUp(app);
  await app.listen(0, '127.0.0.1');
  return senderTo((await app.getUrl()).replace('[::1]', '127.0.0.1'));
}

export function senderTo(url: string): Send {
  return async (method, path, { token, language, body } = {}) => {
    const isJson = body !== undefined && !(body instanceof FormData);
    const answer = await fetch(url + path, {
      method,
      headers: {
        ...(token && { authorization: `Bearer ${token}` }),
        ...(language && { 'accept-language': language }),
        ...(isJson && { 'content-type': 'application/json' }),
        connection: 'close',
      },
      ...(body !== undefined && {
        body: isJson && typeof body === 'object' ? JSON.stringify(body) : (body as string),
      }),
    });
    const text = await answer.text();
    return {
      request: `${method} ${path}`,
      status: answer.status,
      type: answer.headers.get('content-type'),
      body: text.startsWith('{') ? (JSON.parse(text) as unknown) : text,
    };
  };
}

/** Registers, and logs in. @returns the token */
export async function logIn(send: Send, email: string): Promise<string> {
  const account = { email, password: 'the first one' };
  await send('POST', '/api/v1/auth/email/register', { body: account });
  const { body } = await send('POST', '/api/v1/auth/email/login', { body: account });
  return (body as { token: string }).token;
}
