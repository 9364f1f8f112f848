// The whole event that a request is expected to leave, so that a field too many is as wrong as one too few.
import type { AuditLogEvent } from 'nest-audit-trail';

export type Expected = Omit<Partial<AuditLogEvent>, 'metadata'> & { metadata?: Record<string, unknown> };

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** Compares every field, those included that no test names. */
export function expectEvent(event: AuditLogEvent, requestId: string, expected: Expected): void {
  const { metadata, ...rest } = expected;
  expect(event).toEqual({
    id: expect.stringMatching(UUID_V7),
    timestamp: expect.any(Number),
    tenantId: 'default',
    action: 'http.request',
    resource: 'http',
    details: {},
    ipAddress: '127.0.0.1',
    severity: 'low',
    category: 'data_access',
    outcome: 'success',
    complianceFlags: [],
    riskScore: expect.any(Number),
    ...rest,
    metadata: {
      method: 'GET',
      durationMs: expect.any(Number),
      requestId,
      actorType: rest.userId === undefined ? 'anonymous' : 'user',
      schemaVersion: 1,
      source: expect.stringMatching(UUID_V7),
      sequence: expect.any(Number),
      riskFactors: expect.any(Array),
      ...metadata,
    },
  });
  // The score is the sum of the points that it says it is made of.
  const factors = event.metadata['riskFactors'] as string[];
  const sum = factors.reduce((total, factor) => total + Number(factor.split(':')[1]), 0);
  expect(event.riskScore).toBe(Math.min(100, sum));
  // The id is made from the timestamp (RFC 9562, section 5.7).
  expect(parseInt(event.id.replace('-', '').slice(0, 12), 16)).toBe(event.timestamp);
  expect(Math.abs(Date.now() - event.timestamp)).toBeLessThan(60_000);
  expect(event.metadata['durationMs']).toBeGreaterThanOrEqual(0);
}
