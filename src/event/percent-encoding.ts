const RUNS = /(?:%[0-9a-f]{2})+/gi;
const MALFORMED = /%(?![0-9a-f]{2})/i;
/** A run whose bytes are UTF-8 (RFC 3629, section 4). */
const UTF8 =
  /^(?:%[0-7].|%(?:c[2-9a-f]|d.)%[89ab].|%e(?:0%[ab].|[1-9a-cef]%[89ab].|d%[89].)%[89ab].|%f(?:0%[9ab].|[1-3]%[89ab].|4%8.)%[89ab].%[89ab].)+$/i;

/**
 * What percent-encoded text says (RFC 3986, section 2.1); bytes that are no UTF-8 are read as Latin-1. Asks first whether they are, since
 * `decodeURIComponent` throws, which is slow, and a client may send thousands of them.
 */
export function percentDecoded(text: string): string {
  return text.replace(RUNS, (run) =>
    UTF8.test(run)
      ? decodeURIComponent(run)
      : run.replace(/%(..)/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
  );
}

/** The same where a strict reader, such as a router, accepts the text; else `undefined`. */
export function strictlyDecoded(text: string): string | undefined {
  if (!text.includes('%')) return text;
  if (MALFORMED.test(text)) return undefined;
  const isText = (text.match(RUNS) ?? []).every((run) => UTF8.test(run));
  return isText ? decodeURIComponent(text) : undefined;
}
