// Starts the API. `demo/run.mjs` calls it; a real application would at the end of this file.
import { ValidationPipe } from '@nestjs/common';
import type { LogLevel } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { AppModule } from './app.module.js';

/** The API, not yet listening, and only on this machine when it does: its passwords are known to everyone. */
export async function createApi(logger: LogLevel[]): Promise<NestExpressApplication> {
  const app = await NestFactory.create<NestExpressApplication>(AppModule, {
    logger,
    forceCloseConnections: true,
  });
  app.useGlobalPipes(new ValidationPipe({ transform: true, whitelist: true, forbidNonWhitelisted: true }));
  app.set('json spaces', 2);
  return app;
}
