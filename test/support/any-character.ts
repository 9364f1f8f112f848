// Any character of Unicode for fast-check, halves of surrogate pairs included. Its own `unit: 'binary'` is the same, but takes most of a
// second to prepare.
import fc from 'fast-check';

export const anyCharacter = fc.integer({ min: 0, max: 0x10ffff }).map((code) => String.fromCodePoint(code));
