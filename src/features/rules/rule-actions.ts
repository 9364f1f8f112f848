import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks';
import { RateLimitedLog } from '../../event/audit-logger.js';
import type { AuditLogger } from '../../event/audit-logger.js';
import type { AuditEventInput } from '../../event/audit-event-input.js';
import { errorNameOf } from '../../event/audit-error.js';
import type { AuditLogEvent } from '../../event/audit-log-event.js';
import { raise } from '../../event/raised-event.js';
import { within } from '../../store/within.js';
import { isHandled } from './compliance-rule.js';
import type { ComplianceHandlers, ComplianceRule, HandledAction } from './compliance-rule.js';
import { HANDLER_FAILED } from './raised-events.js';

/** A finding that no handler took. */
export interface ActionFailure {
  readonly ruleId: string;
  readonly action: HandledAction;
  /** The event that the rule matched. */
  readonly eventId: string;
  /** What the last try threw; `QueueFull` and `Closed` where there was no room or time for one. */
  readonly errorName: string;
  /** How often the handler was called. */
  readonly attempts: number;
  /** Findings that were dropped like this one since the last report, it included; only for `QueueFull`. */
  readonly dropped?: number;
}

/** The event that tells of it. */
export function failureDraft({ ruleId, ...details }: ActionFailure): AuditEventInput {
  return { ...raise(HANDLER_FAILED, details), resourceId: ruleId };
}

/** How patient it is, and how much it keeps. */
export interface ActionLimits {
  /** How long a call may take before it counts as failed, in milliseconds. */
  readonly timeLimitMs: number;
  /** How long to wait before each further try, in milliseconds: there are as many as these. */
  readonly retryDelaysMs: readonly number[];
  /** Findings that wait, run, or wait for another try. */
  readonly maxPending: number;
  /** Calls at the same time. */
  readonly parallel: number;
}

export const ACTION_DEFAULTS: ActionLimits = {
  timeLimitMs: 10_000,
  retryDelaysMs: [1_000, 5_000, 25_000],
  maxPending: 1_000,
  parallel: 8,
};

interface Task {
  readonly rule: ComplianceRule;
  readonly action: HandledAction;
  readonly event: AuditLogEvent;
  attempts: number;
  errorName?: string;
}

/**
 * Hands findings to the handlers of the application: later, outside of the request, each until it is taken or was
 * tried often enough. What a handler does never reaches the recorder.
 *
 * Findings are in memory alone. What a killed process still had to hand over is not handed over again; the flags of the events
 * say what it was.
 */
export class RuleActions {
  private readonly ready: Task[] = [];
  private readonly running = new Set<Task>();
  /** Those that wait for another try, each with its timer. */
  private readonly resting = new Map<Task, NodeJS.Timeout>();
  private readonly idlers: (() => void)[] = [];
  /** Set within a handler: what it records calls no handler, or a rule that matches it would go on for ever. */
  private readonly inHandler = new AsyncLocalStorage<true>();
  /** Handlers run where this was made, not in the context of the request that they are about. */
  private readonly outside = new AsyncResource('AuditRuleActions');
  private readonly warnings: RateLimitedLog;
  private readonly limits: ActionLimits;
  private isScheduled = false;
  private isClosed = false;
  private unreported: { readonly first: Task; count: number } | undefined;

  constructor(
    private readonly handlers: ComplianceHandlers,
    private readonly report: (failure: ActionFailure) => void,
    logger: Pick<AuditLogger, 'warn'>,
    limits: Partial<ActionLimits> = {},
  ) {
    this.limits = { ...ACTION_DEFAULTS, ...limits };
    this.warnings = new RateLimitedLog(logger as AuditLogger);
  }

  /** Findings that were not taken yet. */
  get pending(): number {
    return this.ready.length + this.running.size + this.resting.size;
  }

  /** Hands the event to the handlers of the rule's actions. Never throws and never waits. */
  dispatch(rule: ComplianceRule, event: AuditLogEvent): void {
    // For an event of a handler that failed no handler is called: it would fail again.
    if (event.action === HANDLER_FAILED.action || this.inHandler.getStore()) return;
    for (const action of (rule.actions ?? []).filter(isHandled)) {
      const task: Task = { rule, action, event, attempts: 0 };
      if (this.isClosed) this.fail(task, 'Closed');
      else if (this.pending >= this.limits.maxPending) this.drop(task);
      else this.ready.push(task);
    }
    this.schedule();
  }

  /** Resolves once every finding is taken, or given up. */
  idle(): Promise<void> {
    if (this.isIdle) return Promise.resolve();
    return new Promise((resolve) => this.idlers.push(resolve));
  }

  /** Tries no more. What was not taken yet is reported, also where a call still runs: nobody sees any more how that ends. */
  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    const left = [...this.running, ...this.ready.splice(0), ...this.resting.keys()];
    for (const timer of this.resting.values()) clearTimeout(timer);
    this.resting.clear();
    this.running.clear();
    for (const task of left) this.fail(task, task.errorName ?? 'Closed');
    this.settle();
  }

  private get isIdle(): boolean {
    return this.pending === 0 && this.unreported === undefined;
  }

  private schedule(): void {
    if (this.isScheduled || this.ready.length === 0) return;
    this.isScheduled = true;
    this.outside.runInAsyncScope(() =>
      setImmediate(() => {
        this.isScheduled = false;
        while (this.running.size < this.limits.parallel && this.ready.length > 0)
          void this.call(this.ready.shift()!);
      }),
    );
  }

  private async call(task: Task): Promise<void> {
    this.running.add(task);
    task.attempts += 1;
    const errorName = await this.tried(task);
    // It is reported where it was closed meanwhile.
    if (!this.running.delete(task)) return;
    if (errorName !== undefined) this.retry(task, errorName);
    this.settle();
    this.schedule();
  }

  /** @returns what the handler threw; `undefined` where it has taken the finding */
  private async tried({ rule, action, event }: Task): Promise<string | undefined> {
    // Its own copy each time: what a handler does to it is seen by nobody.
    const call = async () => this.handlers[action]!({ rule, action, event: structuredClone(event) });
    try {
      // A handler that hangs does not keep the process.
      const isDone = await within(this.limits.timeLimitMs, this.inHandler.run(true, call), false);
      // The call may still be running.
      return isDone ? undefined : 'HandlerTimeout';
    } catch (error) {
      return errorNameOf(error);
    }
  }

  private retry(task: Task, errorName: string): void {
    task.errorName = errorName;
    const delayMs = this.limits.retryDelaysMs[task.attempts - 1];
    if (delayMs === undefined || this.isClosed) return this.fail(task, errorName);
    const timer = setTimeout(() => {
      this.resting.delete(task);
      this.ready.push(task);
      this.schedule();
    }, delayMs);
    this.resting.set(task, timer.unref());
  }

  private fail({ rule, action, event, attempts }: Task, errorName: string, dropped?: number): void {
    this.warnings.warn(
      errorName,
      dropped === undefined
        ? `The handler of the compliance action ${action} failed for the rule ${rule.id}: ${errorName}, after ${attempts} calls. It is not called again for this finding; an event ${HANDLER_FAILED.action} is recorded.`
        : `${dropped} findings of compliance rules were dropped, since more than ${this.limits.maxPending} waited for their handlers. Their events have the flags anyway.`,
    );
    try {
      const failure = { ruleId: rule.id, action, eventId: event.id, errorName, attempts };
      this.report(dropped === undefined ? failure : { ...failure, dropped });
    } catch {
      // Said in the log already.
    }
  }

  /** Not reported at once: the report is an event, which a rule may match, and there is no room for that either. */
  private drop(task: Task): void {
    this.unreported ??= { first: task, count: 0 };
    this.unreported.count += 1;
  }

  /** Reports what was dropped once half of the room is free again, and wakes those who wait for the end. */
  private settle(): void {
    const { unreported } = this;
    if (unreported && (this.isClosed || this.pending <= this.limits.maxPending / 2)) {
      this.unreported = undefined;
      this.fail(unreported.first, 'QueueFull', unreported.count);
    }
    if (this.isIdle) for (const resolve of this.idlers.splice(0)) resolve();
  }
}
