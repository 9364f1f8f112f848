import { Readable } from 'node:stream';
import { Body, Controller, Get, Post, StreamableFile } from '@nestjs/common';
import { Audit } from 'nest-audit-trail';
import { JournalEntryDto } from './bodies.js';
import { Books } from './books.js';
import { Caller, Roles } from './guards.js';
import type { Session } from './users.js';

/** What was booked. The controller's name gives the resource: `journal-entry`. */
@Controller('journal-entries')
export class JournalEntriesController {
  constructor(private readonly books: Books) {}

  @Get()
  list(@Caller() caller: Session) {
    return this.books.entriesOf(caller);
  }

  @Post()
  @Roles('bookkeeper')
  create(@Caller() caller: Session, @Body() entry: JournalEntryDto) {
    return this.books.book(caller, entry);
  }

  @Get('export.csv')
  @Audit({ action: 'journal-entry.export', severity: 'medium', details: { format: 'csv' } })
  download(): StreamableFile {
    return new StreamableFile(Readable.from(this.books.rows()), { type: 'text/csv' });
  }
}

@Controller('reports')
export class ReportsController {
  constructor(private readonly books: Books) {}

  @Get('balance-sheet')
  balanceSheet() {
    return this.books.balanceSheet();
  }
}
