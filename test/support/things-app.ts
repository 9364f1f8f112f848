// A small application with a journal, for tests of what the delivery modes promise.
import 'reflect-metadata';
import { Body, Controller, Get, Header, Module, Param, Post, Res } from '@nestjs/common';
import type { INestApplication, Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { Response } from 'express';
import type { AddressInfo } from 'node:net';
import { Audit, AuditModule, AuditService, NoAudit } from 'nest-audit-trail';
import type { AuditModuleOptions } from 'nest-audit-trail';

/** A handler that waits until the test lets it go on. */
export class Gate {
  readonly begun: Promise<void>;
  private readonly opened: Promise<void>;
  private noteBegun!: () => void;
  open!: () => void;

  constructor() {
    this.begun = new Promise((resolve) => (this.noteBegun = resolve));
    this.opened = new Promise((resolve) => (this.open = resolve));
  }

  pass(): Promise<void> {
    this.noteBegun();
    return this.opened;
  }
}

export interface ThingsApp {
  readonly audit: AuditService;
  readonly port: number;
  readonly logged: string[];
  /** Of these, the warnings and errors. */
  readonly warned: string[];
  /** The ids that handlers ran for. */
  readonly handled: string[];
  readonly gate: Gate;
  /** The service of a feature. */
  get<T>(service: Type<T>): T;
  close(): Promise<void>;
}

/** @param strictRoute whether it has one; not without a journal */
export async function startThings(
  options: AuditModuleOptions,
  strictRoute = options.delivery?.mode !== 'buffered',
): Promise<ThingsApp> {
  const handled: string[] = [];
  const gate = new Gate();

  @Audit()
  @Controller('things')
  class ThingsController {
    @Get('streamed/:id') async streamed(@Param('id') id: string, @Res() response: Response) {
      handled.push(id);
      response.write('first ');
      await gate.pass();
      response.end('last');
    }

    @Get('large') large(@Res() response: Response) {
      // More than the socket's buffers take.
      response.end(Buffer.alloc(64 * 1024 * 1024));
    }

    @Get('headed')
    @Header('etag', '"e"')
    @Header('set-cookie', 'session=1')
    @Header('x-app', 'yes')
    async headed() {
      await gate.pass();
      return { headed: true };
    }

    @Get('late/:id') async late(@Param('id') id: string, @Res() response: Response) {
      handled.push(id);
      await gate.pass();
      response.write('late');
      response.end();
    }

    @Get('changed') changed(@Res() response: Response) {
      response.end('sent');
      response.statusCode = 500;
    }

    @Get(':id') one(@Param('id') id: string) {
      handled.push(id);
      return { id };
    }

    @Post('slow/:id') async slow(@Param('id') id: string) {
      handled.push(id);
      await gate.pass();
      return { id };
    }

    @Post('strict/:id') @Audit(strictRoute ? { delivery: 'strict' } : {}) strict(@Param('id') id: string) {
      handled.push(id);
      return { id };
    }

    @Post('silent/:id') @NoAudit() async silent(@Param('id') id: string) {
      handled.push(id);
      await gate.pass();
      return { id };
    }

    @Post(':id') create(@Param('id') id: string, @Body() _body: unknown) {
      handled.push(id);
      return { id };
    }
  }

  // What many requests of a test look like, together, is another test's.
  const audit = AuditModule.forRoot({ ...options });

  @Module({ imports: [audit], controllers: [ThingsController] })
  class ThingsModule {}

  const logged: string[] = [];
  const warned: string[] = [];
  const keep = (message: unknown) => void logged.push(String(message));
  const warn = (message: unknown) => {
    keep(message);
    warned.push(String(message));
  };
  const app: INestApplication = await NestFactory.create(ThingsModule, {
    logger: { log: keep, warn, error: warn, fatal: warn },
    abortOnError: false,
  });
  await app.listen(0, '127.0.0.1');
  return {
    audit: app.get(AuditService),
    port: (app.getHttpServer().address() as AddressInfo).port,
    logged,
    warned,
    handled,
    gate,
    get: (service) => app.get(service),
    close: () => app.close(),
  };
}
