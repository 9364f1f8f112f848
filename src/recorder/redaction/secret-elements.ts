import type { SecretTest } from '../../event/flatten.js';
import type { Place } from './value-in-text.js';

/** A tag of XML or HTML. Each part ends where the next begins, so that nothing is looked at twice. */
const TAG = /<(?<slash>\/?)(?<name>[\p{L}_][^\s<>/]*)(?<rest>(?:[\s/][^<>]*)?)>/gu;
/** `<entry key="password">` */
const NAMING = /\s(?:name|key|field|id)\s{0,3}=\s{0,3}["'](?<name>[^"']{1,64})["']/i;
/** `<name>password</name><value>…</value>` */
const NAMING_ELEMENT = /^(?:\w{1,32}:)?(?:name|key|field|id)$/i;

interface Tag {
  readonly name: string;
  readonly rest: string;
  readonly isEnd: boolean;
  readonly begin: number;
  readonly end: number;
  /** The place of the tag that ends its element. */
  close?: number;
}

/**
 * The values of secret elements within a text: `<password>…</password>`, with all that is within. Of an element that has no end, such
 * as the last one of a text that was cut, what follows it at once. Takes time in proportion to the text.
 */
export function secretElements(text: string, isSecret: SecretTest): Place[] {
  const tags = tagsOf(text);
  const places: Place[] = [];
  let isNext = false;
  for (let index = 0; index < tags.length; index += 1) {
    const tag = tags[index]!;
    if (tag.isEnd) continue;
    const next = tags[index + 1];
    const leaf = next !== undefined && tag.close === index + 1 ? text.slice(tag.end, next.begin) : undefined;
    if (isNext || isSecret(tag.name, leaf) || isNamedSecret(tag, isSecret)) {
      const end = tag.close === undefined ? endOfOpen(text, tag, next) : tags[tag.close]!.begin;
      if (end > tag.end) places.push([tag.end, end]);
      index = tag.close ?? index;
      isNext = false;
    } else if (leaf !== undefined && leaf.length <= 64 && NAMING_ELEMENT.test(tag.name)) {
      isNext = isSecret(leaf);
      index += 1;
    }
  }
  return places;
}

function tagsOf(text: string): readonly Tag[] {
  const tags: Tag[] = [];
  const open = new Map<string, Tag[]>();
  for (const { 0: whole, index, groups } of text.matchAll(TAG)) {
    const { name = '', rest = '', slash } = groups!;
    const tag: Tag = { name, rest, isEnd: slash === '/', begin: index, end: index + whole.length };
    tags.push(tag);
    const waiting = open.get(name);
    if (tag.isEnd) {
      const opened = waiting?.pop();
      if (opened) opened.close = tags.length - 1;
    } else if (!rest.endsWith('/')) {
      if (waiting) waiting.push(tag);
      else open.set(name, [tag]);
    }
  }
  return tags;
}

function isNamedSecret({ rest }: Tag, isSecret: SecretTest): boolean {
  const name = NAMING.exec(rest)?.groups?.['name'];
  return name !== undefined && isSecret(name);
}

/** A placeholder, `login <password> [options]`, has nothing in it. */
function endOfOpen(text: string, tag: Tag, next: Tag | undefined): number {
  const end = next?.begin ?? text.length;
  return tag.rest.endsWith('/') || /^(?:\s|$)/.test(text.slice(tag.end, tag.end + 1)) ? tag.end : end;
}
