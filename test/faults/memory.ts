// How the memory that a process needs grows while something goes on.
import type { FaultedProcess } from './faulted-process.js';

const SAMPLE_MS = 1_000;

/** What a process takes once all that it needs no more is freed, in bytes. */
export interface Memory {
  /** Of the machine, all in all. */
  readonly resident: number;
  /** Objects, and buffers beside them, of the application's thread and of the one that stores. */
  readonly live: number;
}

/**
 * Asks the process itself, which collects the garbage of both its threads before each answer: how much of that lies about
 * otherwise is V8's own choice, and depends on how busy the machine is.
 */
export class MemoryWatch {
  private highest: Memory = { resident: 0, live: 0 };
  private usual = this.highest;

  /** Begins to watch: first, how much it takes when all is well. */
  constructor(private readonly process: FaultedProcess) {
    setInterval(() => {
      // A process that has ended takes nothing.
      this.sample().catch(() => undefined);
    }, SAMPLE_MS).unref();
  }

  /** All is well until now: the most that it took is what it is compared with. */
  async compareFromNow(): Promise<void> {
    await this.sample();
    this.usual = this.highest;
  }

  /** Begins to look for the largest anew. */
  async lookAnew(): Promise<void> {
    this.highest = { resident: 0, live: 0 };
    await this.sample();
  }

  /** By how many MiB more than usual it took when it was largest. */
  async grown(): Promise<Memory> {
    await this.sample();
    const mib = (of: keyof Memory) => Math.round((this.highest[of] - this.usual[of]) / 1_048_576);
    return { resident: mib('resident'), live: mib('live') };
  }

  private async sample(): Promise<void> {
    const { resident, live } = await this.process.memory();
    this.highest = {
      resident: Math.max(this.highest.resident, resident),
      live: Math.max(this.highest.live, live),
    };
  }
}
