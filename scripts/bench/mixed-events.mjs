// Events for the measurements: reads and changes, successes and failures, with few facts and with many, of several users.

export const EVENTS = 1_000;

const ACTIONS = ['read', 'list', 'create', 'update', 'delete', 'approve', 'export'];
export const RESOURCES = ['invoice', 'payment', 'journal-entry', 'customer', 'user', 'report', 'audit-log'];
const AGENTS = [
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36',
  'curl/8.14.1',
  'Zürich-Buchhaltung/2.3 (Überweisungen)',
];

function eventOf(index) {
  const resource = RESOURCES[index % RESOURCES.length];
  const verb = ACTIONS[(index * 3) % ACTIONS.length];
  const failed = index % 5 === 0;
  const reads = verb === 'read' || verb === 'list' || verb === 'export';
  return {
    id: `01a2092a-40f3-7618-b679-${String(index).padStart(12, '0')}`,
    timestamp: 1_795_450_093_811 + index,
    tenantId: `tenant-${index % 13}`,
    userId: `u-${index % 101}`,
    action: `${resource}.${verb}`,
    resource,
    resourceId: `${resource}-${index}`,
    details: {
      amount: (index * 37) % 10_000,
      total: `${index}12345678901234567890.50`,
      currency: index % 2 === 0 ? 'EUR' : 'CHF',
      tags: ['late', 'reviewed', `batch-${index % 7}`],
      ...(verb === 'export' && { recordCount: index * 11 }),
      ...(index % 3 === 0 && { 'changes.amount.before': index, 'changes.amount.after': index + 1 }),
    },
    ipAddress: `10.0.${index % 200}.7`,
    userAgent: AGENTS[index % AGENTS.length],
    severity: failed ? 'medium' : 'low',
    category: failed ? 'authorization' : reads ? 'data_access' : 'data_modification',
    outcome: failed ? 'failure' : 'success',
    riskScore: (index * 7) % 100,
    complianceFlags: [],
    metadata: {
      method: reads ? 'GET' : 'POST',
      path: `/${resource}s/${index}/${verb}`,
      route: `/${resource}s/:id/${verb}`,
      statusCode: failed ? 403 : 200,
      durationMs: 3.1,
      actorType: 'user',
      roles: index % 10 === 0 ? ['admin', 'bookkeeper'] : ['bookkeeper'],
      schemaVersion: 1,
      source: '01a2092a-37dd-7618-b679-271106589fe4',
      sequence: index,
    },
  };
}

export const events = Array.from({ length: EVENTS }, (_, index) => eventOf(index));
