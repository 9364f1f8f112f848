import type { RouteAudit } from './route-audit.js';

const LOGIN = /^(log-?in|sign-?in|authenticate|tokens?|sessions?)$/i;

/** What the log says once, at start, of routes that look like logins. */
export class LoginHints {
  private readonly unmarked: string[] = [];
  private hasLogin = false;

  /** @param pattern of the route, as far as it is known */
  note(method: string, pattern: string, { category, silenced, handler }: RouteAudit): void {
    const last = pattern.split('/').findLast((part) => part !== '');
    if (category === 'authentication') this.hasLogin = true;
    else if (method === 'POST' && !silenced && !category && last && LOGIN.test(last))
      this.unmarked.push(handler ? `POST ${pattern} (${handler})` : `POST ${pattern}`);
  }

  /** @param features those that are listed */
  hints(features: readonly { readonly name: string }[] = []): string[] {
    const hints: string[] = [];
    if (this.unmarked.length > 0)
      hints.push(
        `${this.unmarked.join(', ')} looks like a login. Its events name neither the account that was tried nor who logged in: write @AuditLogin({ account: 'email' }) or login({ account: 'email' }) of nest-audit-trail/authentication; or say its category, if it is no login.`,
      );
    if (this.hasLogin && !features.some(({ name }) => name === 'detection'))
      hints.push(
        'Failed logins are recorded, and nobody counts them: list the feature detection() of nest-audit-trail/detection, to have many in a row reported.',
      );
    return hints;
  }
}
