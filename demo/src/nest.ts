import type { LogLevel } from '@nestjs/common';
import { AuditService } from 'nest-audit-trail';
import { createApi, createOnFastify } from './main.js';
import type { Served } from './served.js';
import { Users } from './users.js';

/** The API on Nest. @param door `nest-fastify`, or on Express */
export async function serve(door: string): Promise<Served> {
  // Without 'error', or Nest would print the stack of the server error that the session provokes.
  const logger: LogLevel[] = ['warn', 'fatal'];
  const app = await (door === 'nest-fastify' ? createOnFastify(logger) : createApi(logger));
  return {
    audit: app.get(AuditService),
    users: app.get(Users),
    async listen(port, host) {
      await app.listen(port, host);
      return Number(new URL(await app.getUrl()).port);
    },
    showErrors: () => app.useLogger(['warn', 'error', 'fatal']),
    close: () => app.close(),
  };
}
