import { Observable } from 'rxjs';
import type { AuditLogEvent } from '../event/audit-log-event.js';

/** A read of the audit, as whoever is told of reads gets it. */
export interface AuditRead {
  /** The method that was called. */
  readonly method: string;
  /** What the caller gave, whatever it is. */
  readonly query: unknown;
  /** Of the event that is asked for, whatever it is. */
  readonly id?: unknown;
}

/** How a read has ended. */
export interface ReadEnding {
  /** How many events were shown, or counted. */
  readonly returned: number;
  /** `partial`: broken off by the caller. */
  readonly outcome: 'success' | 'failure' | 'partial';
  readonly error?: unknown;
}

/** Is told of each read of the audit. */
export interface ReadObserver {
  /** A read that is answered at once has its answer, or was refused. The answer is given once this resolves; where this rejects, nothing is shown. */
  answered(read: AuditRead, ending: ReadEnding): Promise<void>;
  /** A read that goes on for a while begins. The first event is shown once this resolves. @returns how to say that it has ended; never rejects */
  begun(read: AuditRead): Promise<(ending: ReadEnding) => Promise<void>>;
}

/** Tells the features that want to know of each read of the audit. Where there are none, a read passes by. */
export class Reads {
  private readonly observers: ReadObserver[] = [];

  add(observer: ReadObserver): void {
    this.observers.push(observer);
  }

  /**
   * A read that is answered at once.
   *
   * @param count how many events the answer shows, or counts
   * @throws what the read throws, or what an observer does
   */
  async answered<T>(read: AuditRead, ask: () => Promise<T>, count: (answer: T) => number): Promise<T> {
    if (this.observers.length === 0) return ask();
    let answer: T;
    try {
      answer = await ask();
    } catch (error) {
      await this.refused(read, error);
      throw error;
    }
    await this.tell(read, { returned: count(answer), outcome: 'success' });
    return answer;
  }

  /** What comes before a read that goes on for a while, and throws where the query is wrong. */
  checked<T>(read: AuditRead, check: () => T): T {
    try {
      return check();
    } catch (error) {
      void this.refused(read, error);
      throw error;
    }
  }

  /** A read that hands out events one after another. @param ask throws at once where the query is wrong */
  streamed(read: AuditRead, ask: () => AsyncIterable<AuditLogEvent>): AsyncIterable<AuditLogEvent> {
    const events = this.checked(read, ask);
    return this.observers.length === 0 ? events : this.handedOut(read, events);
  }

  /** A read whose events come as they are recorded. Those from before the observers had noted the subscription are not shown. */
  pushed(
    read: AuditRead,
    subscribe: (next: (event: AuditLogEvent) => void) => () => void,
  ): Observable<AuditLogEvent> {
    return new Observable((subscriber) => {
      if (this.observers.length === 0) return subscribe((event) => subscriber.next(event));
      let returned = 0;
      this.begun(read).then(
        (end) => {
          if (!subscriber.closed) {
            const next = (event: AuditLogEvent) => {
              returned += 1;
              subscriber.next(event);
            };
            subscriber.add(subscribe(next));
          }
          subscriber.add(() => void end({ returned, outcome: 'success' }));
        },
        (error: unknown) => subscriber.error(error),
      );
      return undefined;
    });
  }

  private async *handedOut(
    read: AuditRead,
    events: AsyncIterable<AuditLogEvent>,
  ): AsyncGenerator<AuditLogEvent, void> {
    const end = await this.begun(read);
    let ending: ReadEnding = { returned: 0, outcome: 'partial' };
    try {
      for await (const event of events) {
        ending = { ...ending, returned: ending.returned + 1 };
        yield event;
      }
      ending = { ...ending, outcome: 'success' };
    } catch (error) {
      ending = { ...ending, outcome: 'failure', error };
      throw error;
    } finally {
      await end(ending);
    }
  }

  private async tell(read: AuditRead, ending: ReadEnding): Promise<void> {
    await Promise.all(this.observers.map((observer) => observer.answered(read, ending)));
  }

  private async begun(read: AuditRead): Promise<(ending: ReadEnding) => Promise<void>> {
    const ends = await Promise.all(this.observers.map((observer) => observer.begun(read)));
    return async (ending) => void (await Promise.all(ends.map((end) => end(ending))));
  }

  /** The caller is told what was wrong with the read, not with the record of it: delivery itself counts and reports what it drops. */
  private refused(read: AuditRead, error: unknown): Promise<void> {
    return this.tell(read, { returned: 0, outcome: 'failure', error }).catch(() => undefined);
  }
}
