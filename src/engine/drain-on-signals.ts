/** What must not die with events in memory. */
interface Drainable {
  flush(): Promise<void>;
  close(): Promise<void>;
}

type SignalListener = (signal: NodeJS.Signals) => void;

/** One for all copies of the library in the process, since each would take the other for somebody who ends it. */
interface Registry {
  readonly drainables: Set<Drainable>;
  readonly listener: SignalListener;
}

const SIGNALS = ['SIGTERM', 'SIGINT'] as const;
const REGISTRY = Symbol.for('nest-audit-trail.drainables');

/**
 * Drains at SIGTERM and SIGINT. Where nothing else listens, the library closes, and the signal ends the
 * process. Where others listen (Nest's shutdown hooks, the application), they decide when to end, and what
 * is in memory is stored at once. A second signal ends at once.
 *
 * @returns how to stop listening
 */
export function drainOnSignals(drainable: Drainable): () => void {
  const holder = globalThis as { [REGISTRY]?: Registry };
  const { drainables, listener } = (holder[REGISTRY] ??= createRegistry());
  // First in line, so that listeners who asked for the signal once are still there to be counted.
  if (drainables.size === 0) for (const signal of SIGNALS) process.prependListener(signal, listener);
  drainables.add(drainable);
  return () => {
    if (!drainables.delete(drainable) || drainables.size > 0) return;
    for (const signal of SIGNALS) process.off(signal, listener);
  };
}

function createRegistry(): Registry {
  const drainables = new Set<Drainable>();
  let draining = false;
  // Closing the last of them stops listening; a second signal must not come by unheard meanwhile.
  const keepListening: SignalListener = (signal) => end(signal);
  const end = (signal: NodeJS.Signals) => {
    for (const each of SIGNALS) process.off(each, listener).off(each, keepListening);
    process.kill(process.pid, signal);
  };
  const listener: SignalListener = (signal) => {
    if (draining) return end(signal);
    const all = [...drainables];
    if (process.listenerCount(signal) - 1 - politeListeners() > 0) {
      for (const drainable of all) drainable.flush().catch(() => undefined);
      return;
    }
    draining = true;
    process.on(signal, keepListening);
    void Promise.allSettled(all.map((drainable) => drainable.close())).then(() => end(signal));
  };
  return { drainables, listener };
}

/**
 * How many listeners belong to the `signal-exit` package (versions 3 and 4, in many dependency trees): it ends
 * the process only when nobody else listens, as this does, and the two must not wait for each other.
 */
function politeListeners(): number {
  const count = (emitter: unknown) => Number((emitter as { count?: unknown } | undefined)?.count ?? 0);
  const version3 = (process as { __signal_exit_emitter__?: unknown }).__signal_exit_emitter__;
  const version4 = (globalThis as Record<symbol, unknown>)[Symbol.for('signal-exit emitter')];
  return count(version3) + count(version4);
}
