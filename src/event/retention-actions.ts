// What the core must know of retention even where that feature is not listed: the actions of its events.

/** Events were removed. */
export const REMOVAL_ACTION = 'audit.removal';

/** A legal hold was placed. */
export const HOLD_ACTION = 'audit.hold';
