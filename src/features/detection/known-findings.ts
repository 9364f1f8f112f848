import type { DetectionRepository } from './detection.repository.js';
import type { Finding } from './finding.js';
import type { Watch } from './watch.js';

/** The findings that there are already: stored by anybody, or known to this process. */
export class KnownFindings {
  private readonly times = new Map<string, number[]>();

  constructor(
    private readonly repository: DetectionRepository,
    private readonly watch: Watch,
    private readonly from: number,
  ) {}

  async has(finding: Finding): Promise<boolean> {
    if (this.watch.isKnown(finding)) return true;
    const { detection, by, key, tenantId, lastAt } = finding;
    const { windowMs } = this.watch.detection;
    const name = JSON.stringify([tenantId, key]);
    let times = this.times.get(name);
    if (!times) {
      times = await this.repository.findingTimes({
        detection,
        by,
        key,
        tenantId,
        from: this.from - windowMs,
      });
      this.times.set(name, times);
    }
    return times.some((time) => Math.abs(lastAt - time) < windowMs);
  }

  add(finding: Finding): void {
    this.watch.noteFinding(finding);
    this.times.get(JSON.stringify([finding.tenantId, finding.key]))?.push(finding.lastAt);
  }
}
