/** What must not die with events in memory. */
interface Drainable {
  flush(): Promise<void>;
  close(): Promise<void>;
}

const SIGNALS = ['SIGTERM', 'SIGINT'] as const;
const drainables = new Set<Drainable>();

/**
 * Drains at SIGTERM and SIGINT. Where the library is the only one to listen, it closes and lets the signal end the
 * process as it would have; where others listen (Nest's shutdown hooks, the application), when to end is theirs, and
 * what is in memory is merely stored at once.
 *
 * @returns how to stop listening
 */
export function drainOnSignals(drainable: Drainable): () => void {
  if (drainables.size === 0) for (const signal of SIGNALS) process.prependListener(signal, onSignal);
  drainables.add(drainable);
  return () => {
    if (!drainables.delete(drainable) || drainables.size > 0) return;
    for (const signal of SIGNALS) process.off(signal, onSignal);
  };
}

function onSignal(signal: NodeJS.Signals): void {
  // First in line, so that listeners who asked for the signal once are still there to be counted.
  const alone = process.listenerCount(signal) === 1;
  const all = [...drainables];
  if (!alone) {
    for (const drainable of all) drainable.flush().catch(() => undefined);
    return;
  }
  void Promise.allSettled(all.map((drainable) => drainable.close())).then(() => {
    process.off(signal, onSignal);
    process.kill(process.pid, signal);
  });
}
