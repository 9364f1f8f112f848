import type { MessagePort, Worker } from 'node:worker_threads';
import { revive, toFields } from './error-fields.js';
import type { ErrorFields } from './error-fields.js';

/** The objects whose methods the other thread may call, each by its name. */
export type Callable = Readonly<Record<string, object>>;

interface Call {
  /** Missing where nobody waits for the answer. */
  readonly id?: number;
  readonly on: string;
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
      if ('on' in message) void this.run(message);
      else this.settle(message);
    });
  }

  /** @throws what is thrown there, see {@link revive}; what {@link fail} was told where it has ended */
  call<T>(on: string, name: string, ...args: unknown[]): Promise<T> {
    const id = ++this.lastId;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, ({ error, answer }) => (error ? reject(revive(error)) : resolve(answer as T)));
      this.send({ id, on, name, args });
    });
  }

  /** As {@link call}, without an answer. */
  tell(on: string, name: string, ...args: unknown[]): void {
    this.send({ on, name, args });
  }

  /** The other thread has ended. */
  fail(error: Error): void {
    for (const answers of this.waiting.keys()) this.settle({ answers, error: toFields(error) });
  }

  private send(message: Call | Answer): void {
    this.port.postMessage(message);
  }

  private async run({ id, on, name, args }: Call): Promise<void> {
    try {
      const target = this.callable[on] as Record<string, (...given: readonly unknown[]) => unknown>;
      const answer = await target[name]!(...args);
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
