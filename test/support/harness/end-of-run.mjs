// What a run of the tests has to undo. A process beside it knows of each thing and undoes it when the run has ended,
// however it ended: no teardown runs when the tests are interrupted or killed.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

let undoer;

/** @param {import('./undo.mjs').Task} task */
export function atEndOfRun(task) {
  undoer ??= startUndoer();
  undoer.stdin.write(`${JSON.stringify(task)}\n`);
}

/** For a process that has ended by itself: another may have its id now. */
export function hasEnded(pid) {
  undoer?.stdin.write(`${JSON.stringify({ ended: pid })}\n`);
}

/** @throws Error where something could not be undone; what, is on the standard error stream */
export async function endRun() {
  if (!undoer) return;
  const { child, stdin, exit } = undoer;
  undoer = undefined;
  child.ref();
  stdin.end();
  const [code] = await exit;
  if (code !== 0) throw new Error('Not all that the tests have created could be deleted.');
}

function startUndoer() {
  const script = fileURLToPath(new URL('undo.mjs', import.meta.url));
  // Detached, since an interrupt from the terminal must not reach it.
  const child = spawn(process.execPath, [script], { detached: true, stdio: ['pipe', 'ignore', 'inherit'] });
  child.unref();
  child.stdin.unref();
  return { child, stdin: child.stdin, exit: once(child, 'exit') };
}
