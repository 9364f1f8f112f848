import { isIPv4, isIPv6 } from 'node:net';

/**
 * The canonical form of an address: IPv4 dotted, IPv4-mapped IPv6 as the IPv4 that it is, IPv6 by RFC 5952 (lower
 * case, longest run of zeros compressed), without zone or port. `undefined` for what is no address.
 */
export function canonicalIp(address: string): string | undefined {
  if (isIPv4(address)) return address;
  const bare = address.replace(/^\[|%[^\]]*|\](?::\d+)?$/g, '');
  if (isIPv6(bare)) return canonicalIpv6(bare);
  // `203.0.113.7:51234`, as some proxies write it.
  const withoutPort = address.replace(/:\d{1,5}$/, '');
  return isIPv4(withoutPort) ? withoutPort : undefined;
}

/**
 * The address without what tells one machine of a network from another: IPv4 without its last octet, IPv6 as its /48.
 *
 * @param address in canonical form
 */
export function truncatedIp(address: string): string {
  if (isIPv4(address)) return address.replace(/\d+$/, '0');
  if (!isIPv6(address)) return address;
  const [left = [], right = []] = address.split('::').map((half) => half.split(':').filter(Boolean));
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => '0');
  const network = [...left, ...zeros, ...right].slice(0, 3);
  return canonicalIpv6(`${network.join(':')}::`) ?? address;
}

function canonicalIpv6(address: string): string | undefined {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped && isIPv4(mapped)) return mapped;
  // The URL standard serialises an IPv6 host exactly as RFC 5952 asks, except for the mapped form above.
  const host = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const words = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(host);
  if (!words) return host;
  const [high, low] = [parseInt(words[1] ?? '0', 16), parseInt(words[2] ?? '0', 16)];
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
}
