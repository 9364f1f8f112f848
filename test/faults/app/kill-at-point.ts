// Ends this process, as SIGKILL does, where the journal passes a point of its life for the n-th time.
import { subscribe } from 'node:diagnostics_channel';

export interface KillPoint {
  readonly point: string;
  readonly count: number;
}

export function killAtPoint({ point, count }: KillPoint): void {
  let passed = 0;
  subscribe('nest-audit-trail:journal', (message) => {
    if ((message as { point: string }).point !== point) return;
    passed += 1;
    if (passed === count) process.kill(process.pid, 'SIGKILL');
  });
}
