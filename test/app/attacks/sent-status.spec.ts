// A handler goes on to change the status when the headers have left: the event must tell what the client was sent. The
// client is a bare socket that reads the status off the wire.
import 'reflect-metadata';
import { All, Catch, Controller, Module, Param, Res, UseFilters } from '@nestjs/common';
import type { ArgumentsHost, ExceptionFilter, INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { Response } from 'express';
import { once } from 'node:events';
import { STATUS_CODES } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { AuditModule, AuditService } from 'nest-audit-trail';
import type { AuditLogEvent, DeliveryMode } from 'nest-audit-trail';
import { dial } from '../../support/http-client.js';
import { createDatabase } from '../../support/harness/databases.js';
import type { TestDatabase } from '../../support/harness/databases.js';

class Thrown extends Error {}

/** Answers as most filters do, without a look at what has left. */
@Catch(Thrown)
class CarelessFilter implements ExceptionFilter {
  catch(_error: Thrown, host: ArgumentsHost): void {
    const response = host.switchToHttp().getResponse<Response>();
    response.statusCode = 500;
    response.end();
  }
}

/** As `on-headers` does, by which sessions, compression and timings come into an answer. */
function onHeaders(response: Response, listener: () => void): void {
  const { writeHead } = response as unknown as { writeHead: (...args: unknown[]) => Response };
  response.writeHead = function (this: Response, ...args: unknown[]) {
    listener();
    if (args.length > 0) args[0] = this.statusCode;
    return writeHead.apply(this, args);
  } as Response['writeHead'];
}

interface Way {
  readonly answer: (response: Response) => void;
  readonly sent: number;
  readonly method?: string;
  /** What is thrown while it is answered makes a failure of it, whatever was sent. */
  readonly throws?: true;
}

const WAYS: Readonly<Record<string, Way>> = {
  'a failure in the head, success afterwards': {
    sent: 500,
    answer: (response) => {
      response.writeHead(500);
      response.statusCode = 200;
      response.end('x');
    },
  },
  'success in the head, a failure afterwards': {
    sent: 200,
    answer: (response) => {
      response.writeHead(200, { 'content-type': 'text/plain' });
      response.statusCode = 500;
      response.end('x');
    },
  },
  'a failure after the first bytes': {
    sent: 200,
    answer: (response) => {
      response.write('x');
      response.statusCode = 404;
      response.end();
    },
  },
  'success after the first bytes': {
    sent: 403,
    answer: (response) => {
      response.statusCode = 403;
      response.write('x');
      response.statusCode = 200;
      response.end();
    },
  },
  'a failure after flushed headers': {
    sent: 200,
    answer: (response) => {
      response.flushHeaders();
      response.statusCode = 500;
      response.end();
    },
  },
  'success after flushed headers': {
    sent: 401,
    answer: (response) => {
      response.statusCode = 401;
      response.flushHeaders();
      response.statusCode = 204;
      response.end();
    },
  },
  "Express's status() after the first bytes": {
    sent: 201,
    answer: (response) => {
      response.status(201).write('x');
      response.status(500).end();
    },
  },
  'a failure after the end': {
    sent: 200,
    answer: (response) => {
      response.end('x');
      response.statusCode = 500;
    },
  },
  'a failure once the answer has finished': {
    sent: 202,
    answer: (response) => {
      response.on('finish', () => (response.statusCode = 500));
      response.status(202).end('x');
    },
  },
  'a head of 204': {
    sent: 204,
    answer: (response) => {
      response.writeHead(204);
      response.statusCode = 500;
      response.end();
    },
  },
  'a head of 304': {
    sent: 304,
    answer: (response) => {
      response.writeHead(304);
      response.statusCode = 500;
      response.end();
    },
  },
  'HEAD, with a failure afterwards': {
    method: 'HEAD',
    sent: 200,
    answer: (response) => {
      response.write('x');
      response.statusCode = 500;
      response.end();
    },
  },
  'a pipe, with a failure afterwards': {
    sent: 206,
    answer: (response) => {
      const source = Readable.from(['a', 'b']);
      source.once('end', () => (response.statusCode = 500));
      response.status(206);
      source.pipe(response);
    },
  },
  'answers that are none before the answer': {
    sent: 201,
    answer: (response) => {
      response.writeContinue();
      response.writeProcessing();
      response.writeEarlyHints({ link: '</style.css>; rel=preload' });
      response.status(201).end('x');
    },
  },
  'a second head, which Node refuses': {
    sent: 400,
    answer: (response) => {
      response.writeHead(400);
      try {
        response.writeHead(200);
      } catch {
        response.statusCode = 200;
      }
      response.end('x');
    },
  },
  'a head that Node refuses, and another': {
    sent: 409,
    answer: (response) => {
      try {
        response.writeHead(99_999);
      } catch {
        response.writeHead(409);
      }
      response.statusCode = 200;
      response.end('x');
    },
  },
  'a status that is a text': {
    sent: 404,
    answer: (response) => {
      response.statusCode = '404' as never;
      response.write('x');
      response.statusCode = 200;
      response.end();
    },
  },
  'a filter that answers when the first bytes have left': {
    sent: 200,
    throws: true,
    answer: (response) => {
      response.write('x');
      throw new Thrown();
    },
  },
};

/** In strict delivery the event is on its way to its commit by then: another one tells. */
const LATE: Readonly<Record<string, Way>> = {
  'somebody who changes the status as the head is written': {
    sent: 302,
    answer: (response) => {
      onHeaders(response, () => (response.statusCode = 302));
      response.status(200).end('x');
    },
  },
  'the same with a head of its own': {
    sent: 503,
    answer: (response) => {
      onHeaders(response, () => (response.statusCode = 503));
      response.writeHead(200);
      response.statusCode = 200;
      response.end('x');
    },
  },
};

const outcomeOf = ({ sent, throws }: Way) => (throws || sent >= 400 ? 'failure' : 'success');

/** The category of a route's answer, see docs/reference/format.md. */
function categoryOf(sent: number): string {
  return { 401: 'authentication', 403: 'authorization', 429: 'security' }[sent] ?? 'data_access';
}

describe.each<DeliveryMode>(['durable', 'strict', 'buffered'])(
  'an event of another status than the client was sent, in %s delivery',
  (mode) => {
    let database: TestDatabase;
    let app: INestApplication;
    let audit: AuditService;
    let port: number;
    const answers = new Map(Object.entries({ ...WAYS, ...LATE }));

    beforeAll(async () => {
      database = await createDatabase('sqlite');

      @Controller('ways')
      @UseFilters(CarelessFilter)
      class WaysController {
        @All(':way') answer(@Param('way') way: string, @Res() response: Response): void {
          answers.get(way)!.answer(response);
        }
      }

      @Module({
        imports: [
          AuditModule.forRoot({
            database: database.options,
            delivery: { mode, directory: database.journal },
          }),
        ],
        controllers: [WaysController],
      })
      class WaysModule {}

      app = await NestFactory.create(WaysModule, { logger: false });
      await app.listen(0, '127.0.0.1');
      audit = app.get(AuditService);
      port = (app.getHttpServer().address() as AddressInfo).port;
    });

    afterAll(async () => {
      await app?.close();
      await database?.drop();
    });

    /** The status of the answer, which is the last that the server sends. */
    async function statusOnWire(method: string, path: string): Promise<number> {
      const socket = await dial(port);
      let received = '';
      socket.on('data', (chunk: Buffer) => (received += chunk.toString('latin1')));
      socket.write(`${method} ${encodeURI(path)} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
      await once(socket, 'close');
      const statuses = [...received.matchAll(/^HTTP\/1\.1 (\d{3}) (.*)\r$/gm)];
      for (const [, status, text] of statuses) expect(text).toBe(STATUS_CODES[Number(status)]);
      return Number(statuses.at(-1)?.[1]);
    }

    async function eventOf(way: string): Promise<AuditLogEvent> {
      await audit.flush();
      const path = encodeURI(`/ways/${way}`);
      const { events } = await audit.find({ allTenants: true, metadata: { path } });
      expect(events).toHaveLength(1);
      return events[0]!;
    }

    it.each(Object.keys(WAYS))('%s', async (name) => {
      const way = WAYS[name]!;
      expect(await statusOnWire(way.method ?? 'GET', `/ways/${name}`)).toBe(way.sent);
      expect(await eventOf(name)).toMatchObject({
        outcome: outcomeOf(way),
        category: categoryOf(way.sent),
        metadata: { statusCode: way.sent },
      });
    });

    it.each(Object.keys(LATE))('%s', async (name) => {
      const way = LATE[name]!;
      expect(await statusOnWire('GET', `/ways/${name}`)).toBe(way.sent);
      const event = await eventOf(name);
      if (mode !== 'strict') {
        expect(event).toMatchObject({ outcome: outcomeOf(way), metadata: { statusCode: way.sent } });
        return;
      }
      const { events } = await audit.find({ allTenants: true, details: { eventId: event.id } });
      if (event.metadata['statusCode'] === way.sent) expect(events).toEqual([]);
      else expect(events).toMatchObject([{ action: 'audit.amend', details: { statusCode: way.sent } }]);
    });

    it('a client that leaves after the first bytes', async () => {
      const way = 'leaves';
      let left!: () => void;
      const gone = new Promise<void>((resolve) => (left = resolve));
      answers.set(way, {
        sent: 200,
        answer: (response) => {
          response.once('close', left);
          response.write('x');
          response.statusCode = 500;
        },
      });
      const socket = await dial(port);
      socket.write(`GET /ways/${way} HTTP/1.1\r\nHost: x\r\n\r\n`);
      await once(socket, 'data');
      socket.destroy();
      await gone;
      expect(await eventOf(way)).toMatchObject({
        outcome: 'partial',
        metadata: { statusCode: 200, aborted: true },
      });
    });
  },
);
