import { Controller, Get } from '@nestjs/common';
import { Audit } from 'nest-audit-trail';

/** A request that stays open for as long as a test wants it to. */
@Audit()
@Controller('slow-reports')
export class SlowReportController {
  /** Resolves when the request is in the handler. */
  readonly begun: Promise<void>;
  /** Lets the handler answer. */
  finish!: () => void;
  private begin!: () => void;
  private readonly finished: Promise<void>;

  constructor() {
    this.begun = new Promise((resolve) => (this.begin = resolve));
    this.finished = new Promise((resolve) => (this.finish = resolve));
  }

  @Get()
  async list(): Promise<string[]> {
    this.begin();
    await this.finished;
    return ['done'];
  }
}
