import type { MessagePort, Worker } from 'node:worker_threads';
import { revive, toFields } from './error-fields.js';
import type { ErrorFields } from './error-fields.js';

/** What is called from the other thread, by name. Arguments and answers are copied. */
export type Callable = Readonly<Record<string, (argument: never, signal: AbortSignal) => unknown>>;

type Message =
  | { readonly kind: 'call'; readonly id: number; readonly name: string; readonly argument: unknown }
  | { readonly kind: 'tell'; readonly name: string; readonly argument: unknown }
  | { readonly kind: 'abort'; readonly id: number }
  | { readonly kind: 'answer'; readonly id: number; readonly answer?: unknown; readonly error?: ErrorFields };

interface Waiting {
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** Calls between two threads, in both directions. */
export class Calls {
  private lastId = 0;
  private readonly waiting = new Map<number, Waiting>();
  private readonly running = new Map<number, AbortController>();

  constructor(
    private readonly port: Pick<Worker | MessagePort, 'postMessage' | 'on'>,
    private readonly callable: Callable,
  ) {
    port.on('message', (message: Message) => this.take(message));
  }

  /**
   * @param signal aborts it on the other side
   * @throws what is thrown there, see {@link revive}; Error where the other thread has ended
   */
  call(name: string, argument?: unknown, signal?: AbortSignal): Promise<unknown> {
    const id = ++this.lastId;
    return new Promise<unknown>((resolve, reject) => {
      const abort = () => this.send({ kind: 'abort', id });
      const done = () => {
        this.waiting.delete(id);
        signal?.removeEventListener('abort', abort);
      };
      this.waiting.set(id, {
        resolve: (answer) => (done(), resolve(answer)),
        reject: (error) => (done(), reject(error)),
      });
      signal?.addEventListener('abort', abort, { once: true });
      this.send({ kind: 'call', id, name, argument });
    });
  }

  /** As {@link call}, without an answer. */
  tell(name: string, argument?: unknown): void {
    this.send({ kind: 'tell', name, argument });
  }

  /** The other thread has ended. */
  fail(error: Error): void {
    for (const { reject } of this.waiting.values()) reject(error);
    for (const controller of this.running.values()) controller.abort();
  }

  private send(message: Message): void {
    this.port.postMessage(message);
  }

  private take(message: Message): void {
    switch (message.kind) {
      case 'call':
        void this.answer(message.id, message.name, message.argument);
        break;
      case 'tell':
        // Nobody waits for it, nor for its failure.
        this.run(message.name, message.argument, new AbortController().signal).catch(() => undefined);
        break;
      case 'abort':
        this.running.get(message.id)?.abort();
        break;
      case 'answer': {
        const waiting = this.waiting.get(message.id);
        if (message.error) waiting?.reject(revive(message.error));
        else waiting?.resolve(message.answer);
      }
    }
  }

  private async answer(id: number, name: string, argument: unknown): Promise<void> {
    const controller = new AbortController();
    this.running.set(id, controller);
    try {
      const answer = await this.run(name, argument, controller.signal);
      this.send({ kind: 'answer', id, answer });
    } catch (error) {
      this.send({ kind: 'answer', id, error: toFields(error) });
    } finally {
      this.running.delete(id);
    }
  }

  private async run(name: string, argument: unknown, signal: AbortSignal): Promise<unknown> {
    return this.callable[name]!(argument as never, signal);
  }
}
