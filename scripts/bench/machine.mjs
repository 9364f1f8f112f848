// On what the figures were measured.
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, release, totalmem } from 'node:os';

const PACKAGES = ['@nestjs/core', 'express', 'typeorm', 'mysql2', 'pg', 'better-sqlite3', 'autocannon'];

/** @param {Record<string, string>} servers what each database says of itself */
export function describeMachine(servers) {
  return {
    node: process.version,
    platform: `${process.platform} ${release()}`,
    cores: availableParallelism(),
    processor: cpus()[0]?.model ?? 'unknown',
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    packages: Object.fromEntries(PACKAGES.map((name) => [name, versionOf(name)])),
    servers,
  };
}

function versionOf(name) {
  const file = new URL(`../../node_modules/${name}/package.json`, import.meta.url);
  return JSON.parse(readFileSync(file, 'utf8')).version;
}
