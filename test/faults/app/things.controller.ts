// The audited routes: one for each way in which a death of the process can meet a request.
import { Controller, Get, Inject, Param, Post, StreamableFile } from '@nestjs/common';
import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { Audit } from 'nest-audit-trail';
import { HandlerRuns } from './handler-runs.js';

@Audit()
@Controller('things')
export class ThingsController {
  constructor(@Inject(HandlerRuns) private readonly runs: HandlerRuns) {}

  @Get(':id') read(@Param('id') id: string) {
    this.runs.note(id);
    return { id };
  }

  @Post(':id') create(@Param('id') id: string) {
    this.runs.note(id);
    return { id };
  }

  @Post(':id/slow') async createSlowly(@Param('id') id: string) {
    this.runs.note(id);
    await delay(100);
    return { id };
  }

  @Post(':id/hanging') hang(@Param('id') id: string): Promise<never> {
    this.runs.note(id);
    return new Promise(() => undefined);
  }

  @Get(':id/streamed') streamed(@Param('id') id: string): StreamableFile {
    this.runs.note(id);
    async function* rows() {
      for (let row = 0; row < 5; row += 1) {
        yield `${row},${'x'.repeat(256)}\n`;
        await delay(20);
      }
    }
    return new StreamableFile(Readable.from(rows()));
  }
}

/** For applications that have a journal, without which the route would be refused at start. */
@Audit({ resource: 'thing', delivery: 'strict' })
@Controller('things')
export class StrictThingsController {
  constructor(@Inject(HandlerRuns) private readonly runs: HandlerRuns) {}

  @Post(':id/strict') create(@Param('id') id: string) {
    this.runs.note(id);
    return { id };
  }
}
