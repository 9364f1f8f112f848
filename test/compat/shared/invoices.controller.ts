import { Body, Controller, Get, NotFoundException, Param, Post } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { IsInt, IsPositive } from 'class-validator';
import { Audit } from 'nest-audit-trail';
import { Repository } from 'typeorm';
import { Invoice } from './invoice.entity.js';

class NewInvoice {
  @IsInt()
  @IsPositive()
  amount!: number;
}

/** An ordinary resource, audited by its decorator alone. */
@Audit()
@Controller('invoices')
export class InvoicesController {
  constructor(@InjectRepository(Invoice) private readonly invoices: Repository<Invoice>) {}

  @Get()
  list(): Promise<Invoice[]> {
    return this.invoices.find();
  }

  @Get(':id')
  async read(@Param('id') id: string): Promise<Invoice> {
    const invoice = await this.invoices.findOneBy({ id });
    if (!invoice) throw new NotFoundException();
    return invoice;
  }

  @Post()
  @Audit({ details: ({ result }) => ({ amount: result.amount }) })
  create(@Body() { amount }: NewInvoice): Promise<Invoice> {
    return this.invoices.save({ amount });
  }
}
