// Runs programs: each bounded in time, each in a process group of its own so that nothing of it is left behind.
import { spawn } from 'node:child_process';

const running = new Set();

/** The environment without what the surrounding npm and test runner say for themselves. */
const env = { ...process.env, NO_COLOR: '1' };
for (const name of ['NODE_OPTIONS', 'FORCE_COLOR', 'npm_config_local_prefix']) delete env[name];

/** npm itself, as it was started; else the one on the PATH. */
const npmProgram = process.env.npm_execpath?.endsWith('.js')
  ? [process.execPath, process.env.npm_execpath]
  : ['npm'];

/** Starts a program; its output is collected in `output`, and `ended` resolves to how it ended. Never rejects. */
export function start(folder, [program, ...args]) {
  const child = spawn(program, args, { cwd: folder, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  const started = { child, output: '', ended: undefined, stop: (signal) => signalGroup(child, signal) };
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => (started.output += text));
  }
  running.add(started);
  started.ended = new Promise((resolve) => {
    child.once('error', (error) => resolve({ code: undefined, reason: error.message }));
    child.once('close', (code, signal) => resolve({ code, reason: signal ?? `exit code ${code}` }));
  }).finally(() => running.delete(started));
  return started;
}

/**
 * Runs a program to its end.
 *
 * @returns what it printed
 * @throws Error with what it printed as `output`, when it fails or takes longer than `minutes`
 */
export async function run(folder, command, minutes) {
  const started = start(folder, command);
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    started.stop('SIGKILL');
  }, minutes * 60_000);
  const { code, reason } = await started.ended;
  clearTimeout(timer);
  if (code === 0) return started.output;
  const why = late ? `it took longer than ${minutes} min` : reason;
  throw Object.assign(new Error(`${command.join(' ')}: ${why}`), { output: started.output });
}

export function npm(folder, args, minutes) {
  return run(folder, [...npmProgram, ...args], minutes);
}

/** Kills whatever still runs. */
export function killAll() {
  for (const started of running) started.stop('SIGKILL');
}

function signalGroup({ pid }, signal) {
  try {
    if (pid !== undefined) process.kill(-pid, signal);
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}
