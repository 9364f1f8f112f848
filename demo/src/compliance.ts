// What acme's and globex' auditors want to know of, and what must not happen at all. It could as well be a file of JSON.
import { complianceRules } from 'nest-audit-trail/rules';

export const complianceWith = (logger: { warn(text: string): void }) =>
  complianceRules({
    packs: ['sox', 'gdpr'],
    rules: [
      {
        id: 'company.four-eyes',
        name: 'Invoices of more than 10,000.00 take an approver',
        category: 'authorization',
        severity: 'high',
        conditions: {
          all: [
            { field: 'action', operator: 'equals', value: 'invoice.create' },
            { field: 'details.body.cents', operator: 'greater_than', value: 1_000_000 },
            { field: 'metadata.roles', operator: 'not_contains', value: 'approver' },
          ],
        },
        actions: ['block'],
      },
      {
        id: 'company.bulk-export',
        name: 'Exports of more than 100,000 rows',
        category: 'data_access',
        severity: 'medium',
        conditions: {
          all: [
            { field: 'action', operator: 'matches', value: '[.]export$' },
            { field: 'details.rows', operator: 'greater_than', value: 100_000 },
          ],
        },
        actions: ['alert'],
      },
    ],
    handlers: {
      alert: ({ rule, event }) => logger.warn(`${rule.name}: ${event.userId} did ${event.action}.`),
    },
  });
