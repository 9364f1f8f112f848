import { Readable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { Body, Controller, Get, Post, StreamableFile, UnprocessableEntityException } from '@nestjs/common';
import { Type } from 'class-transformer';
import { ArrayMinSize, IsInt, IsString, Matches, ValidateNested } from 'class-validator';
import { Audit, AuditService } from 'nest-audit-trail';
import { Caller, Roles } from './guards.js';
import type { Session } from './users.js';

/** A debit is positive, a credit negative. */
class JournalLineDto {
  @Matches(/^\d{4}$/) readonly account!: string;
  @IsInt() readonly cents!: number;
}

class JournalEntryDto {
  @IsString() readonly memo!: string;
  @ValidateNested({ each: true })
  @Type(() => JournalLineDto)
  @ArrayMinSize(2)
  readonly lines!: JournalLineDto[];
}

/** What was booked. The controller's name gives the resource: `journal-entry`. */
@Controller('journal-entries')
export class JournalEntriesController {
  private readonly entries: (JournalEntryDto & { readonly id: string; readonly tenantId: string })[] = [];

  constructor(private readonly audit: AuditService) {}

  @Get()
  list(@Caller() { tenantId }: Session) {
    return this.entries.filter((entry) => entry.tenantId === tenantId);
  }

  @Post()
  @Roles('bookkeeper')
  create(@Caller() { tenantId }: Session, @Body() { memo, lines }: JournalEntryDto) {
    const difference = lines.reduce((sum, { cents }) => sum + cents, 0);
    this.audit.annotate({ details: { lines: lines.length, difference } });
    if (difference !== 0) throw new UnprocessableEntityException(`The entry is off by ${difference} cents.`);
    const entry = { id: `JE-${this.entries.length + 1}`, tenantId, memo, lines };
    this.entries.push(entry);
    return entry;
  }

  /** Megabytes that are never all in memory, and that a client may not wait for. */
  @Get('export.csv')
  @Audit({ action: 'journal-entry.export', severity: 'medium', details: { format: 'csv' } })
  download(): StreamableFile {
    return new StreamableFile(Readable.from(this.rows()), { type: 'text/csv' });
  }

  private async *rows(): AsyncGenerator<string> {
    for (let day = 0; day < 5_000; day += 1) {
      // As if each day came from a database: others have their turn meanwhile, and who leaves is noticed.
      await setImmediate();
      const date = new Date(Date.UTC(2010, 0, 1 + day)).toISOString().slice(0, 10);
      yield Array.from({ length: 50 }, (_, row) => `${date},${day * 50 + row},${4000 + row},125000\n`).join(
        '',
      );
    }
    this.audit.annotate({ details: { rows: 250_000 } });
  }
}

@Controller('reports')
export class ReportsController {
  private readonly openingBalances = new Map([[2010, { cents: 0 }]]);

  /** The bug that every application has somewhere: nobody entered this year's opening balance. */
  @Get('balance-sheet')
  balanceSheet() {
    return this.openingBalances.get(new Date().getFullYear())!.cents;
  }
}
