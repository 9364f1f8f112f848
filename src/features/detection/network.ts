import type { TextRange } from './detection.repository.js';

/**
 * What one client can send from: an IPv4 address, or the /64 of an IPv6 address, `2001:db8:1:2::/64`, whose addresses
 * anybody who has one of them has all of.
 *
 * @param address in canonical form (RFC 5952), as events have it
 */
export function networkOf(address: string): string {
  // An IPv4 address within an IPv6 one is one machine.
  if (!address.includes(':') || address.includes('.')) return address;
  const groups = networkGroups(address);
  while (groups.at(-1) === '0') groups.pop();
  return `${groups.join(':')}::/64`;
}

export function isNetwork(key: string): boolean {
  return key.endsWith('::/64');
}

/**
 * The texts between which every address of the network is; a few others may be there as well. Where the form has zeros
 * left out, the part before them decides.
 */
export function textsOf(network: string): TextRange {
  const groups = networkGroups(network.slice(0, -'/64'.length));
  // One zero alone is never left out (RFC 5952, section 4.2.2), the last of them may be one of several.
  const end = groups.findIndex((group, index) => group === '0' && (groups[index + 1] ?? '0') === '0');
  const sure = groups.slice(0, end < 0 ? groups.length : end).join(':');
  // The character after the colon.
  return { from: sure === '' ? '' : `${sure}:`, to: `${sure};` };
}

/** The first four of the eight groups. */
function networkGroups(address: string): string[] {
  const [before = '', after] = address.split('::');
  const [left, right] = [before, after ?? ''].map((part) => (part === '' ? [] : part.split(':')));
  const zeros = after === undefined ? 0 : 8 - left!.length - right!.length;
  return [...left!, ...Array.from({ length: zeros }, () => '0'), ...right!].slice(0, 4);
}
