// What the demo shows of the log: it verifies, an event is proved without the database, and a theft is found.
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';

/**
 * @param audit the application's `AuditService`
 * @param file the audit's SQLite file
 * @param folder for copies; the application's own file is not touched
 * @param verifierKey of the key that signs
 * @param events all that are stored
 */
export async function showLog({ audit, file, folder, verifierKey, events }) {
  const { treeSize, note } = await audit.checkpoint();
  console.log(`\nThe log of these events, signed (a C2SP checkpoint):\n\n${indented(note)}\n`);
  const copy = join(folder, 'copy.sqlite');
  new Database(file, { readonly: true }).exec(`VACUUM INTO '${copy}'`).close();
  expect(0, nestAudit('verify', '--database-url', `sqlite:${copy}`, '--key', verifierKey));

  const approval = events.find(({ action }) => action === 'invoice.approve');
  console.log('\nOne event, proved to somebody who has the bundle and the verifier key, and no database:\n');
  const bundle = join(folder, 'bundle.json');
  writeFileSync(bundle, JSON.stringify(await audit.prove(approval.id)));
  expect(0, nestAudit('verify-proof', bundle, '--key', verifierKey));

  console.log(
    '\nSomebody with the database drops its triggers and changes who approved an invoice, in the copy:\n',
  );
  const thief = new Database(copy);
  thief.exec('DROP TRIGGER audit_events_no_update');
  const id = Buffer.from(approval.id.replaceAll('-', ''), 'hex');
  thief.prepare("UPDATE audit_events SET user_id = 'nobody' WHERE id = ?").run(id);
  thief.close();
  expect(1, nestAudit('verify', '--database-url', `sqlite:${copy}`, '--key', verifierKey));
  return treeSize;
}

/** Runs a command of the command line, shows it, and answers its exit code. */
function nestAudit(...args) {
  const main = join(import.meta.dirname, '../dist/esm/cli/main.js');
  const shown = args.map((arg) => (arg.length > 40 ? `${arg.slice(0, 24)}…` : arg));
  console.log(`  $ npx nest-audit ${shown.join(' ')}`);
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], { encoding: 'utf8' });
  console.log(indented(stdout + stderr));
  return status;
}

function expect(expected, status) {
  if (status !== expected) throw new Error(`nest-audit ended with ${status} instead of ${expected}`);
}

function indented(text) {
  return text.trimEnd().replace(/^/gm, '  ');
}
