import assert from 'node:assert/strict';
import { checkProof, generateKeys, parseVerifierKey } from 'nest-audit-trail/ledger';
import { KEEPINGS, RunningApp } from '../running-app.js';
import type { Scenario } from './scenario.js';

/** The log that nobody can change unseen, and what checks it elsewhere. */
export const logScenarios: readonly Scenario[] = KEEPINGS.map((keeping) => ({
  name: `${keeping}: an event is sealed, verified, and proved to somebody without the database`,
  run: () => {
    const { signerKey, verifierKey } = generateKeys('audit.example');
    return RunningApp.use({ keeping, ledger: { signingKey: signerKey } }, async ({ audit }) => {
      const { id } = await audit.record({ action: 'invoice.pay', tenantId: 'acme' });
      await audit.flush();
      const { treeSize } = await audit.checkpoint();
      assert.equal(treeSize, 1);
      const { ok, events, problems } = await audit.verify();
      assert.deepEqual({ ok, events, problems }, { ok: true, events: 1, problems: [] });
      const proof: unknown = JSON.parse(JSON.stringify(await audit.prove(id, { tenantId: 'acme' })));
      assert.equal(checkProof(proof, [parseVerifierKey(verifierKey)]).ok, true);
      const { verifierKey: other } = generateKeys('audit.example');
      assert.equal(checkProof(proof, [parseVerifierKey(other)]).ok, false);
    });
  },
}));
