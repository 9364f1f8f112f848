import type { RouteAudit } from './route-audit.js';

const LOGIN = /^(log-?in|sign-?in|authenticate|tokens?|sessions?)$/i;

/** What the log says once of routes that look like logins: at start, or where a platform tells of them later, when it does. */
export class LoginHints {
  private unmarked: string[] = [];
  private hasLogin = false;
  private hasAskedForDetection = false;

  /** @param pattern of the route, as far as it is known */
  note(method: string, pattern: string, { category, silenced, handler }: RouteAudit): void {
    const last = pattern.split('/').findLast((part) => part !== '');
    if (category === 'authentication') this.hasLogin = true;
    else if (method === 'POST' && !silenced && !category && last && LOGIN.test(last))
      this.unmarked.push(handler ? `POST ${pattern} (${handler})` : `POST ${pattern}`);
  }

  /** @param features those that are listed. @returns what was not said before */
  hints(features: readonly { readonly name: string }[] = []): string[] {
    const hints: string[] = [];
    if (this.unmarked.length > 0) {
      const [look, their, are] =
        this.unmarked.length === 1
          ? ['looks like a login. Its', 'its', 'it is no login']
          : ['look like logins. Their', 'their', 'they are no logins'];
      hints.push(
        `${this.unmarked.join(', ')} ${look} events name neither the account that was tried nor who logged in: write @AuditLogin({ account: 'email' }) or login({ account: 'email' }) of nest-audit-trail/authentication; or say ${their} category, if ${are}.`,
      );
      this.unmarked = [];
    }
    if (this.hasLogin && !this.hasAskedForDetection && !features.some(({ name }) => name === 'detection')) {
      this.hasAskedForDetection = true;
      hints.push(
        'Failed logins are recorded, and nobody counts them: list the feature detection() of nest-audit-trail/detection, to have many in a row reported.',
      );
    }
    return hints;
  }
}
