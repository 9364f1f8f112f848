import type { DynamicModule, INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { AppModule } from '../src/app.module';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setUp } from '../src/set-up';
import { freshDatabase } from './database';

/** What a client gets. */
export interface Answer {
  readonly request: string;
  readonly status: number;
  readonly type: string | null;
  readonly body: unknown;
}

export interface RunningApp {
  readonly app: INestApplication;
  /** What the application has printed into its log. */
  readonly logged: string[];
  readonly send: (method: string, path: string, request?: Sent) => Promise<Answer>;
}

export interface Sent {
  readonly token?: string;
  readonly language?: string;
  readonly body?: object | string | FormData;
}

/** Starts the application on a database of its own, with or without the audit. */
export async function startApp(audit: readonly DynamicModule[] = []): Promise<RunningApp> {
  process.env['DATABASE_URL'] = await freshDatabase();
  process.env['AUDIT_FOLDER'] = mkdtempSync(join(tmpdir(), 'boilerplate-'));
  const logged: string[] = [];
  const keep = (message: unknown) => void logged.push(String(message));
  const app = await NestFactory.create(AppModule.with(audit), {
    logger: { log: keep, warn: keep, error: keep, fatal: keep },
    abortOnError: false,
  });
  setUp(app);
  await app.listen(0, '127.0.0.1');
  const url = (await app.getUrl()).replace('[::1]', '127.0.0.1');
  const send = async (method: string, path: string, { token, language, body }: Sent = {}) => {
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
  return { app, logged, send };
}
