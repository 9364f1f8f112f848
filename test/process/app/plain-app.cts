// An application without a framework, for what is the library's alone. CommonJS: that starts in half the time of a Nest application of
// ECMAScript modules. Options come as JSON in the first argument; the port is told on standard output.
import { started } from './threads.cjs';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onExit } from 'signal-exit';
import { NodeAudit } from 'nest-audit-trail/node';
import type { PlainAuditOptions } from 'nest-audit-trail/node';
import { protection } from 'nest-audit-trail/protection';
import type { ProtectionOptions } from 'nest-audit-trail/protection';

const { audit, shutdown, protect } = JSON.parse(process.argv[2] ?? '{}') as {
  audit: PlainAuditOptions;
  shutdown?: 'polite';
  protect?: ProtectionOptions;
};
const door = new NodeAudit({ ...audit, features: protect ? [protection(protect)] : [] });

/** What is asked of the process itself, and leaves no event. */
const CONTROLS: Readonly<Record<string, () => unknown>> = {
  /** How many threads were started until now. */
  'GET /threads': () => ({ started: started.length }),
  /** Ends the newest, as a crash of it would. */
  'POST /end-thread': async () => ({ code: await started.at(-1)?.terminate() }),
};

async function create(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const [, id] = /^\/things\/([\w-]+)$/u.exec(request.url ?? '') ?? [];
  await door.route(request, { pattern: '/things/:id', params: { id } });
  response.writeHead(201).end(JSON.stringify({ id }));
}

const server = createServer((request, response) => {
  const control = CONTROLS[`${request.method} ${request.url}`];
  if (!control) void door.handle(request, response, () => create(request, response));
  else void Promise.resolve(control()).then((answer) => response.end(JSON.stringify(answer)));
});

// As many packages do, to clean up after themselves.
if (shutdown === 'polite') onExit(() => undefined);
void door.ready().then(() => {
  server.listen(0, '127.0.0.1', () => {
    process.stdout.write(`${(server.address() as AddressInfo).port}\n`);
  });
});
