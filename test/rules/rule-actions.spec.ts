// What becomes of a finding: handlers that take it, throw, hang, record events themselves, and are too slow.
import { AsyncLocalStorage } from 'node:async_hooks';
import type { AuditLogEvent } from '../../src/event/audit-log-event.js';
import type {
  ComplianceFinding,
  ComplianceHandlers,
  ComplianceRule,
} from '../../src/features/rules/compliance-rule.js';
import { HANDLER_FAILED } from '../../src/features/rules/raised-events.js';
import { ACTION_DEFAULTS, failureDraft, RuleActions } from '../../src/features/rules/rule-actions.js';
import type { ActionFailure, ActionLimits } from '../../src/features/rules/rule-actions.js';
import { eventOf } from './event.js';

const rule = (...actions: NonNullable<ComplianceRule['actions']>): ComplianceRule => ({
  id: 'no-delete',
  name: 'Nothing is deleted',
  category: 'compliance',
  severity: 'high',
  conditions: { field: 'action', operator: 'equals', value: 'invoice.delete' },
  actions,
});

const event = eventOf({ action: 'invoice.delete' });

function actionsOf(handlers: ComplianceHandlers, limits: Partial<ActionLimits> = {}) {
  const failures: ActionFailure[] = [];
  const warnings: string[] = [];
  const actions = new RuleActions(
    handlers,
    (failure) => void failures.push(failure),
    { warn: (message) => void warnings.push(message) },
    { retryDelaysMs: [1, 2], ...limits },
  );
  return { actions, failures, warnings };
}

/** A promise, and what resolves it. */
function gate(): { readonly opened: Promise<void>; readonly open: () => void } {
  let open!: () => void;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

describe('rule actions', () => {
  it('hand a finding to the handler of each action, once', async () => {
    const taken: ComplianceFinding[] = [];
    const take = (finding: ComplianceFinding) => void taken.push(finding);
    const { actions, failures } = actionsOf({ alert: take, notify: take, escalate: take });
    const told = rule('log', 'escalate', 'alert', 'block');
    actions.dispatch(told, event);
    await actions.idle();
    expect(taken).toEqual([
      { rule: told, action: 'escalate', event },
      { rule: told, action: 'alert', event },
    ]);
    expect(failures).toEqual([]);
    expect(actions.pending).toBe(0);
  });

  it('are idle where there is nothing to do', async () => {
    const { actions } = actionsOf({});
    await actions.idle();
    actions.dispatch(rule('log', 'block'), event);
    actions.dispatch({ ...rule(), actions: undefined } as unknown as ComplianceRule, event);
    expect(actions.pending).toBe(0);
    await actions.idle();
  });

  it('call nobody within the call, nor in the context of the request', async () => {
    const request = new AsyncLocalStorage<string>();
    const stores: (string | undefined)[] = [];
    const { actions } = actionsOf({ alert: () => void stores.push(request.getStore()) });
    request.run('the request', () => {
      actions.dispatch(rule('alert'), event);
      expect(stores).toEqual([]);
    });
    await actions.idle();
    expect(stores).toEqual([undefined]);
  });

  it('give each call a copy of the event of its own', async () => {
    const seen: AuditLogEvent[] = [];
    const { actions } = actionsOf({
      alert: ({ event: copy }) => {
        seen.push(structuredClone(copy));
        copy.action = 'changed';
        copy.metadata['changed'] = true;
        throw new Error('Once more.');
      },
    });
    actions.dispatch(rule('alert'), event);
    await actions.idle();
    expect(seen).toEqual([event, event, event]);
    expect(event.action).toBe('invoice.delete');
  });

  it.each<readonly [string, () => void | Promise<void>]>([
    [
      'throws',
      () => {
        throw new RangeError('Secret.');
      },
    ],
    ['rejects', () => Promise.reject(new RangeError('Secret.'))],
  ])('call a handler that %s again, and go on when it takes the finding', async (_, fail) => {
    let calls = 0;
    const { actions, failures, warnings } = actionsOf({
      notify: () => {
        calls += 1;
        return calls < 3 ? fail() : undefined;
      },
    });
    actions.dispatch(rule('notify'), event);
    await actions.idle();
    expect(calls).toBe(3);
    expect([failures, warnings]).toEqual([[], []]);
  });

  it('give up after the last try, and report it without the message of the error', async () => {
    let calls = 0;
    const { actions, failures, warnings } = actionsOf({
      alert: () => {
        calls += 1;
        throw new RangeError('A secret.');
      },
    });
    actions.dispatch(rule('alert'), event);
    await actions.idle();
    expect(calls).toBe(3);
    expect(failures).toEqual([
      { ruleId: 'no-delete', action: 'alert', eventId: event.id, errorName: 'RangeError', attempts: 3 },
    ]);
    expect(warnings).toEqual([expect.stringContaining('RangeError')]);
    expect(warnings.join()).not.toContain('secret');
  });

  it('give up a call that takes too long, and hinder no other', async () => {
    const { opened, open } = gate();
    const taken: string[] = [];
    const { actions, failures } = actionsOf(
      { alert: () => opened, notify: ({ action }) => void taken.push(action) },
      { timeLimitMs: 5, parallel: 1, retryDelaysMs: [1] },
    );
    actions.dispatch(rule('alert', 'notify'), event);
    await actions.idle();
    expect(taken).toEqual(['notify']);
    expect(failures).toEqual([
      { ruleId: 'no-delete', action: 'alert', eventId: event.id, errorName: 'HandlerTimeout', attempts: 2 },
    ]);
    open();
  });

  it('leave it to nobody when a call that was given up rejects later', async () => {
    let reject!: (error: Error) => void;
    const late = new Promise<void>((_, fail) => {
      reject = fail;
    });
    const { actions, failures } = actionsOf({ alert: () => late }, { timeLimitMs: 5, retryDelaysMs: [] });
    actions.dispatch(rule('alert'), event);
    await actions.idle();
    expect(failures).toHaveLength(1);
    const unhandled: unknown[] = [];
    const note = (reason: unknown) => void unhandled.push(reason);
    process.on('unhandledRejection', note);
    try {
      reject(new Error('Too late.'));
      await new Promise((resolve) => setImmediate(resolve));
      expect(unhandled).toEqual([]);
    } finally {
      process.off('unhandledRejection', note);
    }
  });

  it('call no more handlers at the same time than they may', async () => {
    const { opened, open } = gate();
    let running = 0;
    let most = 0;
    const { actions } = actionsOf(
      {
        alert: async () => {
          most = Math.max(most, (running += 1));
          await opened;
          running -= 1;
        },
      },
      { parallel: 3 },
    );
    for (let number = 0; number < 10; number += 1) actions.dispatch(rule('alert'), event);
    await new Promise((resolve) => setImmediate(resolve));
    expect(most).toBe(3);
    open();
    await actions.idle();
    expect(most).toBe(3);
  });

  it('drop what there is no room for, and report it once when there is room again', async () => {
    const { opened, open } = gate();
    let calls = 0;
    const { actions, failures, warnings } = actionsOf(
      {
        alert: () => {
          calls += 1;
          return opened;
        },
      },
      { maxPending: 10 },
    );
    for (let number = 0; number < 25; number += 1)
      actions.dispatch(rule('alert'), { ...event, id: `id-${number}` });
    expect(actions.pending).toBe(10);
    expect(failures).toEqual([]);
    open();
    await actions.idle();
    expect(calls).toBe(10);
    expect(failures).toEqual([
      {
        ruleId: 'no-delete',
        action: 'alert',
        eventId: 'id-10',
        errorName: 'QueueFull',
        attempts: 0,
        dropped: 15,
      },
    ]);
    expect(warnings).toEqual([expect.stringContaining('15 findings')]);
  });

  it('call no handler for what a handler records, nor for the events of failures', async () => {
    let calls = 0;
    let again: RuleActions | undefined;
    const { actions, failures } = actionsOf({
      alert: async () => {
        calls += 1;
        again!.dispatch(rule('alert'), event);
        await new Promise((resolve) => setImmediate(resolve));
        again!.dispatch(rule('alert'), event);
      },
    });
    again = actions;
    actions.dispatch(rule('alert'), event);
    actions.dispatch(rule('alert'), eventOf({ action: HANDLER_FAILED.action }));
    await actions.idle();
    expect(calls).toBe(1);
    expect(failures).toEqual([]);
    // Only for those: an event of anybody else calls it again.
    actions.dispatch(rule('alert'), event);
    await actions.idle();
    expect(calls).toBe(2);
  });

  it('survive a report that throws', async () => {
    const actions = new RuleActions(
      {
        alert: () => {
          throw new Error('No.');
        },
      },
      () => {
        throw new Error('Neither.');
      },
      { warn: () => undefined },
      { retryDelaysMs: [] },
    );
    actions.dispatch(rule('alert'), event);
    await actions.idle();
    expect(actions.pending).toBe(0);
  });

  it('report at their end what was not taken, and try no more', async () => {
    const { opened, open } = gate();
    const both = gate();
    let running = 0;
    let calls = 0;
    const { actions, failures } = actionsOf(
      {
        alert: () => {
          calls += 1;
          throw new RangeError('No.');
        },
        notify: () => {
          if ((running += 1) === 2) both.open();
          return opened;
        },
      },
      { retryDelaysMs: [1_000_000], parallel: 2 },
    );
    actions.dispatch(rule('alert', 'notify', 'notify', 'notify'), event);
    await both.opened;
    actions.close();
    actions.close();
    const left = (action: string, errorName: string, attempts: number) => ({
      ruleId: 'no-delete',
      action,
      eventId: event.id,
      errorName,
      attempts,
    });
    // Two of the last run, the third waits for its turn, and the first for another try.
    expect(failures).toEqual([
      left('notify', 'Closed', 1),
      left('notify', 'Closed', 1),
      left('notify', 'Closed', 0),
      left('alert', 'RangeError', 1),
    ]);
    open();
    await actions.idle();
    expect(calls).toBe(1);
    actions.dispatch(rule('alert'), event);
    expect(failures.at(-1)).toEqual(left('alert', 'Closed', 0));
    expect(actions.pending).toBe(0);
  });

  it('report at their end a call that still runs, and say nothing of it when it fails later', async () => {
    const { opened, open } = gate();
    const begun = gate();
    const { actions, failures } = actionsOf({
      alert: async () => {
        begun.open();
        await opened;
        throw new RangeError('No.');
      },
    });
    actions.dispatch(rule('alert'), event);
    await begun.opened;
    actions.close();
    const closed = {
      ruleId: 'no-delete',
      action: 'alert',
      eventId: event.id,
      errorName: 'Closed',
      attempts: 1,
    };
    expect(failures).toEqual([closed]);
    open();
    await new Promise((resolve) => setImmediate(resolve));
    expect(failures).toEqual([closed]);
  });

  it.each<[name: string, more: Partial<ActionFailure>]>([
    ['a handler that failed', {}],
    ['findings that were dropped', { errorName: 'QueueFull', attempts: 0, dropped: 15 }],
  ])('become an event that tells of %s', (_, more) => {
    const failure: ActionFailure = {
      ruleId: 'no-delete',
      action: 'alert',
      eventId: event.id,
      errorName: 'RangeError',
      attempts: 4,
      ...more,
    };
    const { ruleId, ...details } = failure;
    expect(failureDraft(failure)).toEqual({
      action: 'compliance.action-failed',
      resource: 'compliance-rule',
      resourceId: ruleId,
      category: 'system',
      severity: 'high',
      outcome: 'failure',
      details,
    });
  });

  it('have the patience that the documentation tells', () => {
    expect(ACTION_DEFAULTS).toEqual({
      timeLimitMs: 10_000,
      retryDelaysMs: [1_000, 5_000, 25_000],
      maxPending: 1_000,
      parallel: 8,
    });
  });
});
