// An Express application of your own, given to Nest as its adapter: what it answers by itself is recorded as well.
import 'reflect-metadata';
import { Controller, Get, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import type { NestExpressApplication } from '@nestjs/platform-express';
import express from 'express';
import type { AddressInfo } from 'node:net';
import { AuditModule, AuditService } from 'nest-audit-trail';

@Controller('things')
class ThingsController {
  @Get(':id')
  read() {
    return { name: 'a thing' };
  }
}

@Module({
  imports: [AuditModule.forRoot({ database: { type: 'better-sqlite3', database: ':memory:' } })],
  controllers: [ThingsController],
})
class RootModule {}

describe('an Express application of your own', () => {
  it('has an event of each request, whoever answers it', async () => {
    const own = express();
    own.set('trust proxy', 1);
    own.get('/before-nest', (_request, response) => void response.send('here'));
    const app = await NestFactory.create<NestExpressApplication>(RootModule, new ExpressAdapter(own), {
      logger: false,
    });
    try {
      await app.listen(0, '127.0.0.1');
      const { port } = app.getHttpServer().address() as AddressInfo;
      const headers = { 'x-forwarded-for': '203.0.113.7' };
      for (const path of ['before-nest', 'things/7', 'nowhere']) {
        const answer = await fetch(`http://127.0.0.1:${port}/${path}`, { headers });
        await answer.text();
      }
      const audit = app.get(AuditService);
      await audit.flush();
      const { events } = await audit.find({ allTenants: true, order: 'oldest' });
      expect(
        events.map(({ action, ipAddress, metadata }) => [
          metadata['path'],
          action,
          metadata['statusCode'],
          ipAddress,
        ]),
      ).toEqual([
        ['/before-nest', 'http.request', 200, '203.0.113.7'],
        ['/things/7', 'thing.read', 200, '203.0.113.7'],
        ['/nowhere', 'http.request', 404, '203.0.113.7'],
      ]);
    } finally {
      await app.close();
    }
  });
});
