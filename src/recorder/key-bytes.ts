/** The bytes of a key that is written as hex or base64; `undefined` where it is neither. */
export function keyBytes(text: unknown): Buffer | undefined {
  if (typeof text !== 'string') return undefined;
  if (/^(?:[0-9a-f]{2})+$/i.test(text)) return Buffer.from(text, 'hex');
  return /^[A-Za-z0-9+/_-]+={0,2}$/.test(text) ? Buffer.from(text, 'base64') : undefined;
}
