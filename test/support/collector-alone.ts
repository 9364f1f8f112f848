import { Collector } from '../../src/sealer/collector.js';
import type { CollectorOptions } from '../../src/sealer/collector.js';
import { SealingRepository } from '../../src/store/sealing.repository.js';
import type { AuditStore } from './audit-store.js';

/** Collects what another sealer would seal next: of a process that records nothing itself, and closes no gap. */
export function collectorAlone(
  store: AuditStore,
  trust: Awaited<ReturnType<CollectorOptions['trust']>> = { verifiers: [] },
  sealing = new SealingRepository(store.database),
): Collector {
  return new Collector(sealing, store.sources, {
    gapTimeoutMs: 60_000,
    describeGap: () => Promise.reject(new Error('none')),
    localSources: () => [],
    ownersOf: () => [],
    trust: () => Promise.resolve(trust),
    passedOver: () => undefined,
    warn: () => undefined,
  });
}
