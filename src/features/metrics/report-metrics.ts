import { AuditError } from '../../event/audit-error.js';
import type { DeliveryStatus } from '../../delivery/delivery-options.js';
import type { ServiceOptions } from '../../recorder/event-completer.js';

/** Reports what `status` answers until the function that it returns is called. */
export type ReportMetrics = (status: () => DeliveryStatus, service?: ServiceOptions) => () => void;

/**
 * How delivery fares as OpenTelemetry metrics, named by its semantic conventions (general naming, metrics): the state at
 * the time of each collection, to the meter provider that the application has set globally before it started. Loads
 * `@opentelemetry/api`, which nobody else needs.
 *
 * @throws AuditError `AUDIT_INVALID_OPTIONS` when that is not installed
 */
export async function loadMetrics(): Promise<ReportMetrics> {
  const { metrics } = await loadApi();
  return (status, service) => {
    const meter = metrics.getMeter('nest-audit-trail');
    const instruments = METRICS.map(({ name, kind, read, ...options }) => ({
      instrument: meter[kind](name, options),
      read,
    }));
    const observe: Parameters<typeof meter.addBatchObservableCallback>[0] = (result) => {
      const now = status();
      const attributes = {
        'audit.delivery.mode': now.mode,
        ...(service && { 'service.name': service.name }),
        ...(service?.version !== undefined && { 'service.version': service.version }),
      };
      for (const { instrument, read } of instruments) {
        const value = read(now);
        if (value !== undefined) result.observe(instrument, value, attributes);
      }
    };
    const all = instruments.map(({ instrument }) => instrument);
    meter.addBatchObservableCallback(observe, all);
    return () => meter.removeBatchObservableCallback(observe, all);
  };
}

interface Metric {
  readonly name: string;
  /** The method of a meter that makes its instrument. */
  readonly kind: 'createObservableCounter' | 'createObservableUpDownCounter' | 'createObservableGauge';
  readonly unit: string;
  readonly description: string;
  /** Answers `undefined` where there is nothing to report. */
  readonly read: (status: DeliveryStatus) => number | undefined;
}

/** Every metric, in the order of `docs/operate/observability.md`. */
export const METRICS: readonly Metric[] = [
  {
    name: 'audit.event.pending',
    kind: 'createObservableUpDownCounter',
    unit: '{event}',
    description: 'Events that the database does not have yet.',
    read: ({ pending }) => pending,
  },
  {
    name: 'audit.event.oldest_age',
    kind: 'createObservableGauge',
    unit: 's',
    description: 'How long the oldest pending event has waited; 0 without one.',
    read: ({ oldestPendingMs }) => oldestPendingMs / 1_000,
  },
  {
    name: 'audit.event.delivered',
    kind: 'createObservableCounter',
    unit: '{event}',
    description: 'Events that this process has stored in the database.',
    read: ({ delivered }) => delivered,
  },
  {
    name: 'audit.event.dead',
    kind: 'createObservableCounter',
    unit: '{event}',
    description: 'Events that the database refused.',
    read: ({ dead }) => dead,
  },
  {
    name: 'audit.event.dropped',
    kind: 'createObservableCounter',
    unit: '{event}',
    description: 'Events lost because there was no room: alert on any.',
    read: ({ dropped }) => dropped,
  },
  {
    name: 'audit.delivery.retries',
    kind: 'createObservableCounter',
    unit: '{retry}',
    description: 'Failed attempts to store events, which were repeated.',
    read: ({ retried }) => retried,
  },
  {
    name: 'audit.delivery.healthy',
    kind: 'createObservableGauge',
    unit: '1',
    description: '1 while the database takes events, the journal can be written and there is room, else 0.',
    read: ({ healthy }) => (healthy ? 1 : 0),
  },
  {
    name: 'audit.journal.size',
    kind: 'createObservableUpDownCounter',
    unit: 'By',
    description: 'The size of the journal on disk; not reported in the mode `buffered`.',
    // Without a journal these are bytes of memory.
    read: ({ mode, pendingBytes }) => (mode === 'buffered' ? undefined : pendingBytes),
  },
];

async function loadApi() {
  try {
    return await import('@opentelemetry/api');
  } catch (cause) {
    // Node's import() says the one, its require() the other.
    const { code } = cause as { code?: unknown };
    if (code !== 'ERR_MODULE_NOT_FOUND' && code !== 'MODULE_NOT_FOUND') throw cause;
    throw new AuditError(
      'AUDIT_INVALID_OPTIONS',
      'The audit feature metrics needs OpenTelemetry, which is not installed: write npm install @opentelemetry/api.',
      { field: 'metrics', cause },
    );
  }
}
