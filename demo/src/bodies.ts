// What clients send. Nest's ValidationPipe checks it; where there is none, `validated()` does.
import 'reflect-metadata';
import { plainToInstance, Type } from 'class-transformer';
import {
  ArrayMinSize,
  IsEmail,
  IsIn,
  IsInt,
  IsNotEmpty,
  IsPositive,
  IsString,
  Matches,
  MinLength,
  ValidateNested,
  validateSync,
} from 'class-validator';
import { Problem } from './problem.js';

export class LoginDto {
  @IsEmail() readonly email!: string;
  @IsString() readonly password!: string;
}

export class ResetDto {
  @MinLength(12) readonly password!: string;
}

export class InvoiceDto {
  @IsString() @IsNotEmpty() readonly customer!: string;
  @IsInt() @IsPositive() readonly cents!: number;
  @IsIn(['EUR', 'USD', 'CHF']) readonly currency!: string;
}

/** A debit is positive, a credit negative. */
class JournalLineDto {
  @Matches(/^\d{4}$/) readonly account!: string;
  @IsInt() readonly cents!: number;
}

export class JournalEntryDto {
  @IsString() readonly memo!: string;
  @ValidateNested({ each: true })
  @Type(() => JournalLineDto)
  @ArrayMinSize(2)
  readonly lines!: JournalLineDto[];
}

/** @throws Problem 400 */
export function validated<T extends object>(type: new () => T, body: unknown): T {
  const value = plainToInstance(type, body ?? {});
  const [error] = validateSync(value, { whitelist: true, forbidNonWhitelisted: true });
  if (error)
    throw new Problem(400, Object.values(error.constraints ?? {})[0] ?? `${error.property} is wrong`);
  return value;
}
