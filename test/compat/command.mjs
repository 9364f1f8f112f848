// Runs programs: each bounded in time, each in a process group of its own so that nothing of it is left behind.
import { spawn } from 'node:child_process';

const running = new Set();
let stopped = false;

/** npm itself, as it was started, on the Node that is first on the PATH; else the npm on the PATH. */
const npmProgram = process.env.npm_execpath?.endsWith('.js') ? ['node', process.env.npm_execpath] : ['npm'];

/**
 * Starts a program. What it prints is collected in `output`; `ended` resolves to how it ended, and never rejects.
 *
 * @param env what its environment has beside this process's own
 * @throws Error when the run was stopped
 */
export function start(folder, [program, ...args], env = {}) {
  if (stopped) throw new Error('the run was stopped');
  const child = spawn(program, args, {
    cwd: folder,
    env: { ...environment(), ...env },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const started = { output: '', ended: undefined, stop: (signal) => signalGroup(child, signal) };
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
export async function run(folder, command, minutes, env) {
  const started = start(folder, command, env);
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

export function npm(folder, args, minutes, env) {
  return run(folder, [...npmProgram, ...args], minutes, env);
}

/** Kills whatever still runs, and starts nothing more. */
export function stopAll() {
  stopped = true;
  for (const started of running) started.stop('SIGKILL');
}

/** This process's own, without what the npm and the test runner around it say for themselves. */
function environment() {
  const env = { ...process.env, NO_COLOR: '1' };
  for (const name of ['NODE_OPTIONS', 'FORCE_COLOR', 'npm_config_local_prefix']) delete env[name];
  return env;
}

function signalGroup({ pid }, signal) {
  try {
    if (pid !== undefined) process.kill(-pid, signal);
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}
