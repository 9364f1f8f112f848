/**
 * Page after page, until one is not full.
 *
 * @param size items of a full page
 * @param ask for the page after this item; for the first one after nothing
 */
export async function* pages<T>(
  size: number,
  ask: (last: T | undefined) => Promise<readonly T[]>,
): AsyncGenerator<readonly T[], undefined> {
  let page: readonly T[] | undefined;
  while (page === undefined || page.length === size) yield (page = await ask(page?.at(-1)));
}
