// Ports for servers that go and come back, while clients try all the time to reach them.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { randomInt } from 'node:crypto';

const LOWEST = 10_000;

/**
 * A port of 127.0.0.1 that nobody listens on, and that the kernel gives to nobody by itself: otherwise a client that
 * tries often enough is given the very port that it tries to reach, and is connected with itself.
 */
export async function steadyPort(): Promise<number> {
  for (;;) {
    const port = randomInt(LOWEST, firstEphemeral());
    if (await isFree(port)) return port;
  }
}

function firstEphemeral(): number {
  return Number(readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'latin1').split(/\s/)[0]);
}

async function isFree(port: number): Promise<boolean> {
  const probe = createServer().listen(port, '127.0.0.1');
  try {
    await once(probe, 'listening');
  } catch {
    return false;
  }
  probe.close();
  await once(probe, 'close');
  return true;
}
