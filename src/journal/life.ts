import { channel } from 'node:diagnostics_channel';

/** The points of the journal's life that can be watched on Node's diagnostics channel `nest-audit-trail:journal`. */
export type JournalPoint =
  | 'before-write'
  | 'after-write'
  | 'before-sync'
  | 'after-sync'
  | 'after-commit'
  | 'before-rotate'
  | 'after-rotate'
  | 'before-remove'
  | 'during-recovery';

const life = channel('nest-audit-trail:journal');

/** Tells whoever watches, as `{ point }`; costs next to nothing where nobody does. */
export function passPoint(point: JournalPoint): void {
  if (life.hasSubscribers) life.publish({ point });
}
