/** Where something is in a text: `[begin, end)`. */
export type Place = readonly [begin: number, end: number];

/** What stands after each match that is not within the place before it. */
export function placesAfter(
  pattern: RegExp,
  text: string,
  placeAt: (at: number, groups: Readonly<Record<string, string>>) => Place | undefined,
): Place[] {
  const places: Place[] = [];
  for (const { 0: found, index, groups = {} } of text.matchAll(pattern)) {
    const at = index + found.length;
    const place = at < (places.at(-1)?.[1] ?? 0) ? undefined : placeAt(at, groups);
    if (place) places.push(place);
  }
  return places;
}
