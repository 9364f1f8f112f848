/** A number by its digits, so that it is compared exactly whatever its size. */
export interface Decimal {
  readonly negative: boolean;
  /** Without leading zeros: empty for zero. */
  readonly whole: string;
  /** Without trailing zeros. */
  readonly fraction: string;
}

/**
 * How facts keep bigints and decimals, and how people write them: digits, and at most one dot. Read exactly. Only what follows the dot
 * may be digits again: with the dot left out, many digits and a letter would be tried in every way of parting them.
 */
const PLAIN = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)$/;

/**
 * The number that a value is, or that JavaScript reads in its text: also `' 5e3'` and `'0x10'`, since a handler may.
 * `undefined` for all else, and for what is not finite.
 */
export function decimalOf(value: unknown): Decimal | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? parse(digitsOf(value)) : undefined;
  if (typeof value !== 'string') return undefined;
  const text = value.trim();
  if (PLAIN.test(text)) return parse(text);
  return text === '' ? undefined : decimalOf(Number(text));
}

/** Below zero where `left` is the smaller one, above it where it is the greater one. */
export function compareDecimals(left: Decimal, right: Decimal): number {
  if (left.negative !== right.negative) return left.negative ? -1 : 1;
  const bySize =
    left.whole.length - right.whole.length ||
    compareTexts(left.whole, right.whole) ||
    compareTexts(left.fraction, right.fraction);
  return left.negative ? 0 - bySize : bySize;
}

function parse(text: string): Decimal {
  const start = /^[+-]/.test(text) ? 1 : 0;
  const dot = text.includes('.') ? text.indexOf('.') : text.length;
  // By counting: a pattern that looks for the last zeros takes its time over many of them, and clients send these texts.
  let first = start;
  while (first < dot && text[first] === '0') first += 1;
  let end = text.length;
  while (end > dot + 1 && text[end - 1] === '0') end -= 1;
  const [whole, fraction] = [text.slice(first, dot), text.slice(dot + 1, end)];
  return { negative: text.startsWith('-') && whole + fraction !== '', whole, fraction };
}

/** A number without an exponent, as `String` writes it where it is very large or very small. */
function digitsOf(value: number): string {
  const text = String(value);
  const [digits, exponent] = text.split('e');
  if (exponent === undefined) return text;
  if (Number(exponent) > 0) return BigInt(value).toString();
  const sign = value < 0 ? '-' : '';
  return `${sign}0.${'0'.repeat(-Number(exponent) - 1)}${digits!.replace(/[-.]/g, '')}`;
}

function compareTexts(left: string, right: string): number {
  if (left === right) return 0;
  return left < right ? -1 : 1;
}
