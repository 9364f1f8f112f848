import { HttpStatus, UnprocessableEntityException, ValidationPipe } from '@nestjs/common';
import type { ValidationError } from 'class-validator';

const messagesOf = (errors: ValidationError[]) =>
  Object.fromEntries(
    errors.map(({ property, constraints }) => [property, Object.values(constraints ?? {}).join(', ')]),
  );

/** What is not valid is answered by 422, with a sentence for each property. */
export const validation = new ValidationPipe({
  transform: true,
  whitelist: true,
  errorHttpStatusCode: HttpStatus.UNPROCESSABLE_ENTITY,
  exceptionFactory: (errors) => new UnprocessableEntityException({ status: 422, errors: messagesOf(errors) }),
});
