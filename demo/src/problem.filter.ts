import { Catch, HttpException } from '@nestjs/common';
import type { ArgumentsHost } from '@nestjs/common';
import { BaseExceptionFilter } from '@nestjs/core';
import { Problem } from './problem.js';

/** Answers what a client has done wrong as Nest's own errors are answered: it is not logged as an error of the server. */
@Catch(Problem)
export class ProblemFilter extends BaseExceptionFilter {
  override catch({ message, status }: Problem, host: ArgumentsHost): void {
    super.catch(new HttpException(message, status), host);
  }
}
