// What the feature needs of Nest: it looks for subscribers in the whole application.
import { Logger } from '@nestjs/common';
import type { OnApplicationBootstrap, OnApplicationShutdown, OnModuleInit } from '@nestjs/common';
import { DiscoveryService } from '@nestjs/core';
import { AuditRuntime } from '../../engine/audit.runtime.js';
import { AuditError } from '../../event/audit-error.js';
import type { AuditLogEvent } from '../../event/audit-log-event.js';
import { RateLimitedLog } from '../../event/audit-logger.js';
import type { AuditLogger } from '../../event/audit-logger.js';
import { matchesFilter } from '../../store/event-filter.js';
import type { EventFilter } from '../../store/event-filter.js';
import { within } from '../../store/within.js';
import { toEventFilter } from './event-conditions.js';
import { subscribingMethods } from './on-audit-event.decorator.js';
import type { SubscribingMethod } from './on-audit-event.decorator.js';
import { SubscriberQueue } from './subscriber-queue.js';

type InstanceWrapper = ReturnType<DiscoveryService['getProviders']>[number];

/** How long an application that closes waits for its subscribers to take what waits for them. */
export const CLOSING_PATIENCE_MS = 2_000;

interface Subscriber {
  readonly filters: readonly EventFilter[];
  readonly queue: SubscriberQueue;
}

/**
 * Finds the methods that `@OnAuditEvent()` marks in all providers and controllers, and passes on to them what is
 * recorded between the application's start and its close. Modules that are loaded later are not searched.
 */
export class AuditEventExplorer implements OnModuleInit, OnApplicationBootstrap, OnApplicationShutdown {
  private readonly warnings: RateLimitedLog;
  private subscribers: readonly Subscriber[] = [];
  private unsubscribe: () => void = () => undefined;

  /** @param subscribe has a listener called with each event, in the recorder's stack, until the answer is called */
  constructor(
    private readonly discovery: DiscoveryService,
    private readonly subscribe: (listener: (event: AuditLogEvent) => void) => () => void,
    logger: AuditLogger,
  ) {
    this.warnings = new RateLimitedLog(logger);
  }

  /**
   * Before the module itself opens journal and database: what is wrong shows before there is anything to close.
   *
   * @throws AuditError `AUDIT_INVALID_OPTIONS` naming class, method and field
   */
  onModuleInit(): void {
    const wrappers = [...this.discovery.getProviders(), ...this.discovery.getControllers()];
    const seen = new Set<object>();
    this.subscribers = wrappers.flatMap((wrapper) => {
      // The instance of a request-scoped class is an empty one of its prototype.
      const instance: unknown = wrapper.instance;
      // One instance may be known under several tokens.
      if (typeof instance !== 'object' || instance === null || seen.has(instance)) return [];
      seen.add(instance);
      return subscribingMethods(instance).map((method) => this.subscriberOf(wrapper, instance, method));
    });
  }

  /** Once every provider has had its `onModuleInit()`. */
  onApplicationBootstrap(): void {
    if (this.subscribers.length === 0) return;
    this.unsubscribe = this.subscribe((event) => {
      for (const { filters, queue } of this.subscribers) {
        if (filters.some((filter) => matchesFilter(event, filter))) queue.offer(event);
      }
    });
  }

  /** The server has closed: nothing more comes, and what came is handed over, within a bounded time. */
  async onApplicationShutdown(): Promise<void> {
    this.unsubscribe();
    await within(CLOSING_PATIENCE_MS, Promise.all(this.subscribers.map(({ queue }) => queue.drained())));
    for (const { queue } of this.subscribers) queue.abandon();
    // An application may be closed twice.
    this.subscribers = [];
  }

  private subscriberOf(wrapper: InstanceWrapper, instance: object, method: SubscribingMethod): Subscriber {
    const { name, filters, flaw } = method;
    const className = instance.constructor?.name ?? String(wrapper.name);
    const fullName = `${className}.${String(name)}`;
    const refuse = (what: string) => {
      throw new AuditError('AUDIT_INVALID_OPTIONS', `@OnAuditEvent() of ${fullName}: ${what}`);
    };
    if (flaw === 'static') refuse('a static method belongs to no provider; leave out static.');
    if (flaw === 'no method') refuse('it is no method; write it as one, onEvent(event) { … }.');
    // It has no instance, or as many as there are requests or providers that inject it.
    if (wrapper.isTransient || !wrapper.isDependencyTreeStatic()) {
      refuse(
        `${className} is ${wrapper.isTransient ? 'transient' : 'made for each request'}, so there is no one instance to call; move the method into a provider of the default scope.`,
      );
    }
    return {
      filters: filters.map((filter) => toEventFilter(fullName, filter)),
      // Looked up at each call, since it may be replaced on the instance.
      queue: new SubscriberQueue(
        fullName,
        (event) => (instance as Record<string | symbol, (event: AuditLogEvent) => unknown>)[name]!(event),
        this.warnings,
      ),
    };
  }
}

/** What `AuditModule` provides where the feature is listed. */
export const explorer = {
  provide: AuditEventExplorer,
  inject: [DiscoveryService, AuditRuntime],
  useFactory: (discovery: DiscoveryService, { rooms }: AuditRuntime) =>
    new AuditEventExplorer(
      discovery,
      (listener) => rooms.listeners.subscribe(listener, true),
      new Logger('AuditTrail'),
    ),
};
