// The API on Nest, on Express or on Fastify. `demo/run.mjs` starts it; a real application would at the end of this file.
import { ValidationPipe } from '@nestjs/common';
import type { INestApplication, LogLevel } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { AppModule } from './app.module.js';

/** The API, not yet listening, and only on this machine when it does: its passwords are known to everyone. */
export async function createApi(logger: LogLevel[]): Promise<NestExpressApplication> {
  const options = { logger, forceCloseConnections: true };
  const app = await NestFactory.create<NestExpressApplication>(AppModule, options);
  app.set('json spaces', 2);
  return withPipes(app);
}

export async function createOnFastify(logger: LogLevel[]): Promise<INestApplication> {
  const options = { logger, forceCloseConnections: true };
  return withPipes(
    await NestFactory.create(AppModule, new FastifyAdapter({ requestIdHeader: 'x-request-id' }), options),
  );
}

function withPipes<T extends INestApplication>(app: T): T {
  app.useGlobalPipes(new ValidationPipe({ transform: true, whitelist: true, forbidNonWhitelisted: true }));
  return app;
}
