// The test's own door into the application, of which no event is made.
import { Body, Controller, Get, HttpCode, Inject, Post } from '@nestjs/common';
import { AuditService, NoAudit } from 'nest-audit-trail';
import { HandlerRuns } from './handler-runs.js';
import { shiftClock } from './shifted-clock.js';
import { liveMemory, liveMemoryOfThread } from './thread-memory.js';

@NoAudit()
@Controller('control')
export class ControlController {
  constructor(
    @Inject(AuditService) private readonly audit: AuditService,
    @Inject(HandlerRuns) private readonly runs: HandlerRuns,
  ) {}

  @Get('status') status() {
    return { ...this.audit.status(), handled: this.runs.count };
  }

  @Get('memory') async memory() {
    const ofThread = await liveMemoryOfThread();
    const live = liveMemory() + ofThread;
    return { resident: process.memoryUsage.rss(), live };
  }

  @Get('sources') sources() {
    return this.audit.sources();
  }

  /** Whether the log of what is stored is whole and sound. */
  @Get('verify') async verify() {
    await this.audit.checkpoint();
    return this.audit.verify();
  }

  @Get('dead-letters') deadLetters() {
    return this.audit.deadLetters({ allTenants: true });
  }

  @Post('replay') @HttpCode(200) replay() {
    return this.audit.replayDeadLetters({ allTenants: true });
  }

  @Post('flush') @HttpCode(204) async flush(): Promise<void> {
    await this.audit.flush();
  }

  /** Answers once all of them are recorded. Between portions, others have their turn. */
  @Post('record') @HttpCode(204) async record(@Body() { prefix, count }: { prefix: string; count: number }) {
    for (let index = 0; index < count; index += 1) {
      await this.audit.record({ action: 'thing.import', resourceId: `${prefix}-${index}` });
      if (index % 100 === 99) await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Records the event as it is, and says what became of the attempt. */
  @Post('record-one') @HttpCode(200) async recordOne(
    @Body() event: { resourceId: string; details: Record<string, string> },
  ): Promise<{ refused?: string }> {
    try {
      await this.audit.record({ action: 'thing.import', ...event });
      return {};
    } catch (error) {
      return { refused: (error as { code?: string }).code ?? String(error) };
    }
  }

  @Post('clock') @HttpCode(204) clock(@Body() { shiftMs }: { shiftMs: number }): void {
    shiftClock(shiftMs);
  }
}
