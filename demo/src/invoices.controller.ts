import { Body, Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { Audit } from 'nest-audit-trail';
import { InvoiceDto } from './bodies.js';
import { Books } from './books.js';
import type { Invoice } from './books.js';
import { Caller, Roles } from './guards.js';
import type { Session } from './users.js';

/** Where `@Audit()` is silent, the defaults name the action: `invoice.list`, `invoice.read`, `invoice.create`. */
@Controller('invoices')
export class InvoicesController {
  constructor(private readonly books: Books) {}

  @Get()
  @Audit({ query: ['status'] })
  list(@Caller() caller: Session, @Query('status') status?: string): Invoice[] {
    return this.books.list(caller, status);
  }

  @Get('export')
  @Audit({ severity: 'medium', details: ({ result }) => ({ records: result?.length }) })
  export(@Caller() caller: Session): Invoice[] {
    return this.books.list(caller);
  }

  @Get(':id')
  read(@Caller() caller: Session, @Param('id') id: string): Invoice {
    return this.books.read(caller, id);
  }

  @Get(':id/history')
  history(@Caller() caller: Session, @Param('id') id: string) {
    return this.books.history(caller, id);
  }

  @Post()
  @Roles('bookkeeper')
  create(@Caller() caller: Session, @Body() invoice: InvoiceDto): Invoice {
    return this.books.create(caller, invoice);
  }

  @Post(':id/approve')
  @HttpCode(200)
  @Roles('approver')
  @Audit({
    action: 'invoice.approve',
    severity: 'high',
    // A refused approval is an event as well, but has no result.
    details: ({ result }) => ({ cents: result?.cents, currency: result?.currency }),
  })
  approve(@Caller() caller: Session, @Param('id') id: string): Invoice {
    return this.books.approve(caller, id);
  }
}
