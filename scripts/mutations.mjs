// What `npm run test:mutations` breaks, each with the specs that must notice. A test holds that each still finds its line.

/** @type {readonly { what: string, file: string, from: string, to: string, specs: readonly string[] }[]} */
export const MUTATIONS = [
  {
    what: 'a lost await: events count as stored before the database has taken them',
    file: 'src/delivery/batch-store.ts',
    from: 'await this.send((signal) => this.sink.store(events, signal)));',
    to: 'new Map()); void this.send((signal) => this.sink.store(events, signal)).catch(() => undefined);',
    specs: ['test/databases/delivery.spec.ts'],
  },
  {
    what: 'a skipped fsync: the journal is not on the disk when it says so',
    file: 'src/journal/event-journal.ts',
    from: 'await Promise.all(segments.map((segment) => segment.sync()));',
    to: 'await Promise.all(segments);',
    specs: ['test/delivery', 'test/app/journal.spec.ts'],
  },
  {
    what: 'a forgotten tenant: reads show the events of all',
    file: 'src/store/filter-sql.ts',
    from: 'if (tenantId !== undefined) all.push(sql`e.tenant_id = ${tenantId}`);',
    to: 'if (tenantId !== undefined) all.push(sql`1 = 1`);',
    specs: ['test/databases/queries.spec.ts'],
  },
  {
    what: 'a bound that is off by one: the least risk score is not among those that are found',
    file: 'src/store/filter-sql.ts',
    from: 'e.risk_score >= ${minRiskScore}',
    to: 'e.risk_score > ${minRiskScore}',
    specs: ['test/databases/queries.spec.ts'],
  },
  {
    what: 'a swapped condition: a log with another root is sound, a sound one is not',
    file: 'src/trail/verification/log-verifier.ts',
    from: 'if (!root || root.equals(rootHash)) continue;',
    to: 'if (!root || !root.equals(rootHash)) continue;',
    specs: ['test/databases/tampering.spec.ts'],
  },
  {
    what: 'a forgotten hold: retention removes what is held',
    file: 'src/features/retention/removal.ts',
    from: 'const page = await this.repository.expired(which, holds.inForce, {',
    to: 'const page = await this.repository.expired(which, [], {',
    specs: ['test/databases/retention.spec.ts'],
  },
  {
    what: 'a rule that blocks nobody',
    file: 'src/nest/audit.guard.ts',
    from: 'if (blockedBy) block(blockedBy);',
    to: 'if (blockedBy === null) block(blockedBy);',
    specs: ['test/app/block.spec.ts'],
  },
  {
    what: 'a digest that is none: what is to be stored as an HMAC is stored in clear',
    file: 'src/recorder/redaction/redactor.ts',
    from: "if (mode === 'hmac') return pseudonymBy(this.key, value);",
    to: "if (mode === 'hmac') return pseudonymBy(this.key, '') && value;",
    specs: ['test/app/redaction.spec.ts'],
  },
  {
    what: 'a status that is a failure counts as a success',
    file: 'src/capture/request-event.ts',
    from: 'if (statusCode >= 400) return isUnrouted',
    to: 'if (statusCode > 400) return isUnrouted',
    specs: ['test/app/capture.spec.ts'],
  },
  {
    what: 'a source that does not say that it has ended',
    file: 'src/journal/event-journal.ts',
    from: "this.append('closed', 0, this.sequence, '{}');",
    to: '',
    specs: ['test/app/journal.spec.ts', 'test/databases/sources.spec.ts'],
  },
];
