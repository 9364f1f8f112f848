import { percentDecoded } from '../../event/percent-encoding.js';

const ENCODED = /%[0-9a-f]{2}|\\u\{?[0-9a-f]|\\x[0-9a-f]{2}|&(?:#x?[0-9a-f]|[a-z]{2,4};)/i;
/** A character by its number, in a string of JSON or of a programming language, however often that was escaped again. */
const ESCAPES = /(?<!\\)\\+(?:u([0-9a-f]{4})|u\{([0-9a-f]{1,6})\}|x([0-9a-f]{2}))/gi;
const ENTITIES = /&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|(quot|apos|amp|lt|gt));/gi;
const NAMED: Readonly<Record<string, string>> = { quot: '"', apos: "'", amp: '&', lt: '<', gt: '>' };
const MOST_CODE_POINT = 0x10_ff_ff;

/**
 * The text with one layer of what hides letters undone: percent-encoding, `\u0077` of JSON, `&quot;` of HTML and XML. The same text where
 * there is none of it. Takes time in proportion to the text.
 */
export function decodedText(text: string): string {
  if (!ENCODED.test(text)) return text;
  return percentDecoded(text)
    .replace(ESCAPES, (escape, unit?: string, point?: string, byte?: string) =>
      characterOf(Number.parseInt(unit ?? point ?? byte!, 16), escape),
    )
    .replace(ENTITIES, (entity, decimal?: string, hex?: string, name?: string) => {
      if (name !== undefined) return NAMED[name.toLowerCase()]!;
      return characterOf(decimal === undefined ? Number.parseInt(hex!, 16) : Number(decimal), entity);
    });
}

function characterOf(codePoint: number, otherwise: string): string {
  return codePoint > MOST_CODE_POINT ? otherwise : String.fromCodePoint(codePoint);
}
