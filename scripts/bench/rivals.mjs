// What a user would pick instead, installed from npm into a temporary folder, on the Nest of the platform.
import { execFile } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** What a rival shares with the application, which has only one of each. */
const SHARED = ['@nestjs/common', '@nestjs/core', 'rxjs', 'reflect-metadata', 'typeorm'];
const INSTALL_TIMEOUT_MS = 120_000;

/**
 * @param platform the folder of the application
 * @returns the folder, or why they can't be installed
 */
export async function installRivals(folder, platform) {
  const own = new URL('rivals/package.json', import.meta.url);
  mkdirSync(folder, { recursive: true });
  copyFileSync(own, join(folder, 'package.json'));
  try {
    // Their peers are of older versions of Nest; they get the application's own.
    const options = [
      '--legacy-peer-deps',
      '--ignore-scripts',
      '--no-audit',
      '--no-fund',
      '--no-package-lock',
    ];
    await promisify(execFile)('npm', ['install', ...options], { cwd: folder, timeout: INSTALL_TIMEOUT_MS });
    for (const name of SHARED) share(folder, platform, name);
    return { folder };
  } catch (error) {
    return { missing: `npm install failed: ${String(error.message).split('\n')[0]}` };
  }
}

export function rivalVersions() {
  const text = readFileSync(new URL('rivals/package.json', import.meta.url), 'utf8');
  return JSON.parse(text).dependencies;
}

function share(folder, platform, name) {
  const [scope] = name.startsWith('@') ? name.split('/') : [];
  if (scope) mkdirSync(join(folder, 'node_modules', scope), { recursive: true });
  try {
    symlinkSync(join(platform, 'node_modules', name), join(folder, 'node_modules', name), 'dir');
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
  }
}
