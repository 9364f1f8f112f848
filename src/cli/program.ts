import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { AuditError } from '../event/audit-error.js';
import { LedgerFormatError } from '../ledger/format-error.js';
import { withoutUrlSecrets } from '../event/url-secrets.js';
import { CommandError, EXIT, print, say, visibleLines, warn } from './output.js';
import type { ExitCode, Output } from './output.js';

/**
 * Runs a command line. Each command is loaded when it is called, so that what needs no database loads none of its packages.
 *
 * @param args without the program's own name
 * @returns 0 sound, 1 broken, 2 could not check
 */
export async function run(args: readonly string[], output: Output): Promise<ExitCode> {
  let code: ExitCode = EXIT.unknown;
  const end = (ended: ExitCode) => {
    code = ended;
  };
  try {
    await program(output, end).parseAsync([...args], { from: 'user' });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.sound : EXIT.unknown;
    if (error instanceof AuditError && error.code === 'AUDIT_LEDGER_BROKEN') {
      say(output, `BROKEN: ${error.message}`);
      return EXIT.broken;
    }
    const isKnown =
      error instanceof CommandError || error instanceof AuditError || error instanceof LedgerFormatError;
    warn(output, isKnown ? error.message : String(error));
    if (!isKnown) for (const frame of framesOf(error)) warn(output, frame);
    return EXIT.unknown;
  }
}

/** The commands with their options, from which `docs/reference/cli.md` is made. */
export function program(output: Output, end: (code: ExitCode) => void): Command {
  const root = new Command('nest-audit')
    .description('Checks and exports the tamper-evident log of nest-audit-trail.')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => print(output, text),
      writeErr: (text) => void output.stderr.write(visibleLines(withoutUrlSecrets(text))),
    })
    .addHelpText('after', '\nExit codes: 0 sound, 1 broken, 2 could not check.');
  const withDatabase = (command: Command) =>
    command
      .option(
        '--database-url <url>',
        'sqlite:<path>, mysql://…, mariadb://… or postgres://…; without it, AUDIT_DATABASE_URL',
      )
      .option('--table-prefix <prefix>', "TypeORM's entityPrefix of the tables")
      .option('--schema <schema>', 'PostgreSQL: the schema of the tables');
  const withKeys = (command: Command) =>
    command.option('--key <key>', 'a verifier key, or a file of them; may be given again', collect, []);

  withKeys(withDatabase(root.command('verify')))
    .description('compare every event with the log, and the log with its checkpoints and keys')
    .option(
      '--unsigned-until <leaves>',
      'how many leaves the log had when it got its first key; beyond, checkpoints must be signed',
      count,
    )
    .option('--origin <name>', 'the name of the log, which all of its checkpoints must have')
    .option('--checkpoint <file>', 'a checkpoint that was kept elsewhere; may be given again', collect, [])
    .option('--from <index>', 'the first leaf to check', count)
    .option('--to <index>', 'the leaf before which to end', count)
    .option('--max-problems <number>', 'most problems to list', count)
    .option('--json', 'print the result as JSON')
    .action(async (options) => end(await (await import('./verify.js')).verify(output, options)));
  withDatabase(root.command('prove <id>'))
    .description('make a bundle that proves an event without the database')
    .option('--out <file>', 'where to write it, instead of the standard output')
    .option('--tlog-proof', 'write the proof alone, as C2SP tlog-proof')
    .action(async (id: string, options) =>
      end(await (await import('./prove.js')).prove(output, id, options)),
    );
  withKeys(root.command('verify-proof <bundle>'))
    .description('check a bundle, without any database')
    .option('--json', 'print the result as JSON')
    .action(async (bundle: string, options) =>
      end((await import('./verify-proof.js')).verifyProof(output, bundle, options)),
    );
  withDatabase(root.command('checkpoint'))
    .description('print the newest checkpoint, to be kept elsewhere')
    .option('--json', 'print it as JSON, in one line')
    .action(async (options) => end(await (await import('./checkpoint.js')).checkpoint(output, options)));
  root
    .command('keygen')
    .description('make a pair of Ed25519 keys: print the signer key, a secret, and then the verifier key')
    .requiredOption('--name <name>', 'of the log, such as audit.example.com')
    .option(
      '--out <file>',
      'write the signer key there, readable by its owner alone, and print the verifier key',
    )
    .option('--json', 'print them as JSON')
    .action(async (options) => end((await import('./keygen.js')).keygen(output, options)));
  root
    .command('actions <module>')
    .description('list the audit actions that a module of the application exports; the module is run')
    .option('--json', 'print their definitions as JSON')
    .action(async (module: string, options) =>
      end(await (await import('./actions.js')).actions(output, module, options)),
    );
  withDatabase(root.command('export-tiles <directory>'))
    .description('write the log as a directory in the layout of C2SP tlog-tiles')
    .option('--no-entries', 'leave the events out')
    .action(async (directory: string, options) =>
      end(await (await import('./export-tiles.js')).exportTiles(output, directory, options)),
    );
  return root;
}

/** Where an error of ours came from, without its message. */
function framesOf(error: unknown): string[] {
  const { stack } = Object(error) as Error;
  return String(stack ?? '')
    .split('\n')
    .filter((line) => /^ +at /.test(line));
}

function collect(value: string, before: readonly string[]): string[] {
  return [...before, value];
}

function count(value: string): number {
  if (/^\d{1,15}$/.test(value)) return Number(value);
  throw new InvalidArgumentError('Write a whole number.');
}
