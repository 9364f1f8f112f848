// What a `curl` line of the documentation sends.
import type { Call } from '../http-client.js';

/** Reads the few options that the documentation uses; any other is an error. */
export function callOf(line: string): Call {
  const words = [...line.matchAll(/'([^']*)'|(\S+)/g)].map((match) => match[1] ?? match[2]!);
  if (words.shift() !== 'curl') throw new Error(`Not a curl line: ${line}`);
  const call: { method?: string; path?: string; headers: Record<string, string>; body?: string } = {
    headers: { 'user-agent': 'curl/8.5.0' },
  };
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    if (word === '-X') call.method = words.shift()!;
    else if (word === '-d') call.body = words.shift()!;
    else if (word === '-H') {
      const [name = '', value = ''] = words.shift()!.split(': ');
      call.headers[name] = value;
    } else if (word.startsWith('http://127.0.0.1:3000/'))
      call.path = word.slice('http://127.0.0.1:3000'.length);
    else throw new Error(`What is ${word} in ${line}?`);
  }
  if (call.path === undefined) throw new Error(`No URL in ${line}`);
  // As curl does.
  if (call.body !== undefined) call.headers['content-type'] ??= 'application/x-www-form-urlencoded';
  const method = call.method ?? (call.body === undefined ? 'GET' : 'POST');
  return {
    method,
    path: call.path,
    headers: call.headers,
    ...(call.body !== undefined && { body: call.body }),
  };
}
