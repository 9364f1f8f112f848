// The books of two companies: all that the servers of this demo have in common. They know nothing of HTTP.
import { setImmediate } from 'node:timers/promises';
import type { AuditService } from 'nest-audit-trail';
import type { InvoiceDto, JournalEntryDto } from './bodies.js';
import { Problem } from './problem.js';
import type { Session } from './users.js';

export interface Invoice extends InvoiceDto {
  readonly id: string;
  readonly tenantId: string;
  status: 'draft' | 'approved';
}

export class Books {
  private readonly invoices: Invoice[] = [];
  private readonly entries: (JournalEntryDto & { readonly id: string; readonly tenantId: string })[] = [];
  private readonly openingBalances = new Map([[2010, { cents: 0 }]]);

  constructor(private readonly audit: AuditService) {
    this.add('acme', { customer: 'Northwind', cents: 125_000, currency: 'EUR' });
    this.add('acme', { customer: 'Initech', cents: 48_050, currency: 'EUR' });
    this.add('globex', { customer: 'Hooli', cents: 990_000, currency: 'USD' });
  }

  list({ tenantId }: Session, status?: string): Invoice[] {
    const own = this.invoices.filter((invoice) => invoice.tenantId === tenantId);
    return status ? own.filter((invoice) => invoice.status === status) : own;
  }

  read({ tenantId }: Session, id: string): Invoice {
    const invoice = this.invoices.find((one) => one.id === id && one.tenantId === tenantId);
    if (!invoice) throw new Problem(404, `There is no invoice ${id}.`);
    return invoice;
  }

  create({ tenantId }: Session, invoice: InvoiceDto): Invoice {
    return this.add(tenantId, invoice);
  }

  approve(session: Session, id: string): Invoice {
    const invoice = this.read(session, id);
    if (invoice.status === 'approved') throw new Problem(409, `${id} is approved already.`);
    invoice.status = 'approved';
    this.audit.annotate({ details: { changes: { status: { before: 'draft', after: 'approved' } } } });
    return invoice;
  }

  history({ tenantId }: Session, id: string) {
    return this.audit.history({ tenantId, resource: 'invoice', resourceId: id });
  }

  entriesOf({ tenantId }: Session) {
    return this.entries.filter((entry) => entry.tenantId === tenantId);
  }

  book({ tenantId }: Session, { memo, lines }: JournalEntryDto) {
    const difference = lines.reduce((sum, { cents }) => sum + cents, 0);
    this.audit.annotate({ details: { lines: lines.length, difference } });
    if (difference !== 0) throw new Problem(422, `The entry is off by ${difference} cents.`);
    const entry = { id: `JE-${this.entries.length + 1}`, tenantId, memo, lines };
    this.entries.push(entry);
    return entry;
  }

  /** Megabytes that are never all in memory, and that a client may not wait for. */
  async *rows(): AsyncGenerator<string> {
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

  /** The bug that every application has somewhere: nobody entered this year's opening balance. */
  balanceSheet(): number {
    return this.openingBalances.get(new Date().getFullYear())!.cents;
  }

  private add(tenantId: string, data: InvoiceDto): Invoice {
    const invoice: Invoice = { id: `INV-${1001 + this.invoices.length}`, tenantId, ...data, status: 'draft' };
    this.invoices.push(invoice);
    return invoice;
  }
}
