// What a killed process leaves behind: a copy of its journal as it is at this moment, with an owner that is no more.
import { cp, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A number that no process has: above every system's limit. */
export const NOBODY = 2 ** 22 + 1;

/** @param change what else is different in the owner's file, as after the machine was started again */
export async function crash(from: string, to: string, change: object = {}): Promise<void> {
  await cp(from, to, { recursive: true });
  for (const name of await readdir(to)) {
    if (!name.startsWith('owner.')) continue;
    const owner = JSON.parse(await readFile(join(to, name), 'utf8')) as object;
    await writeFile(join(to, name), JSON.stringify({ ...owner, pid: NOBODY, started: '0', ...change }));
  }
}

export async function segmentsOf(directory: string): Promise<string[]> {
  const names = await readdir(directory);
  return names
    .filter((name) => name.endsWith('.journal'))
    .sort()
    .map((name) => join(directory, name));
}
