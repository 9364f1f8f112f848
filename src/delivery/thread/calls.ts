import type { MessagePort, Worker } from 'node:worker_threads';
import { revive, toFields } from './error-fields.js';
import type { ErrorFields } from './error-fields.js';

/** What can be called, by name. */
export type Callable = Readonly<Record<string, (...args: never[]) => unknown>>;

interface Call {
  /** Missing where nobody waits for the answer. */
  readonly id?: number;
  readonly name: string;
  readonly args: readonly unknown[];
}

interface Answer {
  readonly answers: number;
  readonly answer?: unknown;
  readonly error?: ErrorFields;
}

/** Calls between two threads, in both directions. Arguments and answers are copied. */
export class Calls {
  private lastId = 0;
  private readonly waiting = new Map<number, (answer: Omit<Answer, 'answers'>) => void>();

  constructor(
    private readonly port: Pick<Worker | MessagePort, 'postMessage' | 'on'>,
    private readonly callable: Callable,
  ) {
    port.on('message', (message: Call | Answer) => {
      if ('name' in message) void this.run(message);
      else this.settle(message);
    });
  }

  /** @throws what is thrown there, see {@link revive}; Error where the other thread has ended */
  call(name: string, ...args: unknown[]): Promise<unknown> {
    const id = ++this.lastId;
    return new Promise<unknown>((resolve, reject) => {
      this.waiting.set(id, ({ error, answer }) => (error ? reject(revive(error)) : resolve(answer)));
      this.send({ id, name, args });
    });
  }

  /** As {@link call}, without an answer. */
  tell(name: string, ...args: unknown[]): void {
    this.send({ name, args });
  }

  /** The other thread has ended. */
  fail(error: Error): void {
    for (const answers of this.waiting.keys()) this.settle({ answers, error: toFields(error) });
  }

  private send(message: Call | Answer): void {
    this.port.postMessage(message);
  }

  private async run({ id, name, args }: Call): Promise<void> {
    try {
      const answer = await this.callable[name]!(...(args as never[]));
      if (id !== undefined) this.send({ answers: id, answer });
    } catch (error) {
      // Of what nobody waits for, nobody waits for the failure either.
      if (id !== undefined) this.send({ answers: id, error: toFields(error) });
    }
  }

  private settle({ answers, ...answer }: Answer): void {
    this.waiting.get(answers)?.(answer);
    this.waiting.delete(answers);
  }
}
