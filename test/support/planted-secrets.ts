// Secrets of every kind that is recognised, each with what must never be found anywhere, and the ways in which applications log them.
import fc from 'fast-check';

export interface Planted {
  readonly kind: string;
  /** As it would stand in a text. */
  readonly text: string;
  /** What gives it away. */
  readonly needle: string;
}

const of = (characters: string, length: number) =>
  fc.string({ unit: fc.constantFrom(...characters), minLength: length, maxLength: length });
const UPPER = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ';
const LOWER = UPPER.toLowerCase();
const DIGITS = '0123456789';
const WORD = UPPER + LOWER + DIGITS;

function withLuhn(digits: string): string {
  let sum = 0;
  for (const [index, char] of [...digits].reverse().entries()) {
    const digit = Number(char) * (index % 2 === 0 ? 2 : 1);
    sum += digit > 9 ? digit - 9 : digit;
  }
  return digits + String((10 - (sum % 10)) % 10);
}

function germanIban(account: string): string {
  // D is 13, E is 14, and the check digits are 00 while they are computed.
  let rest = 0;
  for (const digit of `${account}131400`) rest = (rest * 10 + Number(digit)) % 97;
  return `DE${String(98 - rest).padStart(2, '0')}${account}`;
}

export const secret: fc.Arbitrary<Planted> = fc.oneof(
  of(WORD, 40).map((token) => ({ kind: 'bearer', text: `Bearer ${token}`, needle: token })),
  fc.tuple(of(WORD, 24), of(WORD, 32)).map(([payload, signature]) => ({
    kind: 'jwt',
    text: `eyJhbGciOiJIUzI1NiJ9.eyJ${payload}.${signature}`,
    needle: signature,
  })),
  of(WORD, 120).map((body) => ({
    kind: 'private key',
    text: `-----BEGIN PRIVATE KEY-----\n${body.slice(0, 64)}\n${body.slice(64)}\n-----END PRIVATE KEY-----`,
    needle: body.slice(64),
  })),
  of(UPPER + DIGITS, 16).map((key) => ({ kind: 'AWS key', text: `AKIA${key}`, needle: key })),
  of(WORD, 36).map((token) => ({ kind: 'GitHub token', text: `ghp_${token}`, needle: token })),
  of(WORD, 24).map((key) => ({ kind: 'Stripe key', text: `sk_live_${key}`, needle: key })),
  of(DIGITS, 14).map((digits) => ({
    kind: 'card',
    text: withLuhn(`4${digits}`),
    needle: withLuhn(`4${digits}`),
  })),
  of(DIGITS, 14).map((digits) => {
    const card = withLuhn(`4${digits}`)
      .match(/.{1,4}/g)!
      .join(' ');
    return { kind: 'card with spaces', text: card, needle: card };
  }),
  of(DIGITS, 18).map((account) => ({ kind: 'IBAN', text: germanIban(account), needle: germanIban(account) })),
  of(WORD, 20).map((password) => ({
    kind: 'password in a URL',
    text: `https://ann:${password}@example.com/a`,
    needle: password,
  })),
  of(WORD, 20).map((password) => ({ kind: 'named', text: `password=${password}`, needle: password })),
  of(WORD, 20).map((password) => ({
    kind: 'Basic',
    text: Buffer.from(`ann:${password}`).toString('base64'),
    needle: Buffer.from(`ann:${password}`).toString('base64').slice(4, 24),
  })),
);

/** How applications log what they were given. */
export const ENCODINGS: Readonly<Record<string, (text: string) => string>> = {
  'as it is': (text) => text,
  'in a sentence': (text) => `The customer said ${text} and hung up.`,
  'in a string of JSON': (text) => JSON.stringify({ note: text, amount: 7 }),
  'in a string of JSON within another': (text) => JSON.stringify({ outer: JSON.stringify({ note: text }) }),
  'URL-encoded': (text) => encodeURIComponent(text),
  'URL-encoded in a query': (text) => `a=1&note=${encodeURIComponent(text)}&b=2`,
  'in base64': (text) => Buffer.from(text).toString('base64'),
};

export const encoding = fc.constantFrom(...Object.keys(ENCODINGS));

/** The forms in which the needle would be found. */
export function formsOf({ text, needle }: Planted): string[] {
  const encoded = Buffer.from(text).toString('base64');
  // But for its beginning and its end, which the scheme or the name before it may share with others.
  return [needle, encodeURIComponent(needle), ...(encoded.length > 30 ? [encoded.slice(12, -6)] : [])];
}
