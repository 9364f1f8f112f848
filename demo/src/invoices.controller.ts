import {
  Body,
  ConflictException,
  Controller,
  Get,
  HttpCode,
  NotFoundException,
  Param,
  Post,
  Query,
} from '@nestjs/common';
import { IsIn, IsInt, IsNotEmpty, IsPositive, IsString } from 'class-validator';
import { Audit, AuditService } from 'nest-audit-trail';
import { Caller, Roles } from './guards.js';
import type { Session } from './users.js';

class InvoiceDto {
  @IsString() @IsNotEmpty() readonly customer!: string;
  @IsInt() @IsPositive() readonly cents!: number;
  @IsIn(['EUR', 'USD', 'CHF']) readonly currency!: string;
}

interface Invoice extends InvoiceDto {
  readonly id: string;
  readonly tenantId: string;
  status: 'draft' | 'approved';
}

/** Where `@Audit()` is silent, the defaults name the action: `invoice.list`, `invoice.read`, `invoice.create`. */
@Controller('invoices')
export class InvoicesController {
  private readonly invoices: Invoice[] = [];

  constructor(private readonly audit: AuditService) {
    this.add('acme', { customer: 'Northwind', cents: 125_000, currency: 'EUR' });
    this.add('acme', { customer: 'Initech', cents: 48_050, currency: 'EUR' });
    this.add('globex', { customer: 'Hooli', cents: 990_000, currency: 'USD' });
  }

  @Get()
  @Audit({ query: ['status'] })
  list(@Caller() { tenantId }: Session, @Query('status') status?: string): Invoice[] {
    const own = this.invoices.filter((invoice) => invoice.tenantId === tenantId);
    return status ? own.filter((invoice) => invoice.status === status) : own;
  }

  @Get('export')
  @Audit({ severity: 'medium', details: ({ result }) => ({ records: result?.length }) })
  export(@Caller() caller: Session): Invoice[] {
    return this.list(caller);
  }

  @Get(':id')
  read(@Caller() { tenantId }: Session, @Param('id') id: string): Invoice {
    const invoice = this.invoices.find((one) => one.id === id && one.tenantId === tenantId);
    if (!invoice) throw new NotFoundException(`There is no invoice ${id}.`);
    return invoice;
  }

  @Get(':id/history')
  history(@Caller() { tenantId }: Session, @Param('id') id: string) {
    return this.audit.history({ tenantId, resource: 'invoice', resourceId: id });
  }

  @Post()
  @Roles('bookkeeper')
  create(@Caller() { tenantId }: Session, @Body() invoice: InvoiceDto): Invoice {
    return this.add(tenantId, invoice);
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
    const invoice = this.read(caller, id);
    if (invoice.status === 'approved') throw new ConflictException(`${id} is approved already.`);
    invoice.status = 'approved';
    this.audit.annotate({ details: { changes: { status: { before: 'draft', after: 'approved' } } } });
    return invoice;
  }

  private add(tenantId: string, data: InvoiceDto): Invoice {
    const invoice: Invoice = { id: `INV-${1001 + this.invoices.length}`, tenantId, ...data, status: 'draft' };
    this.invoices.push(invoice);
    return invoice;
  }
}
