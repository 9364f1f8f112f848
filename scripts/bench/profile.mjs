// Where the main thread's time goes: a sampled profile of an application under load, by room and by package.
import { Session } from 'node:inspector/promises';

const INTERVAL_MICROS = 200;

let session;

export async function startProfile() {
  session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.setSamplingInterval', { interval: INTERVAL_MICROS });
  await session.post('Profiler.start');
}

/** @returns {Promise<Record<string, number>>} microseconds of the functions' own time since then, by whose they are */
export function stopProfile() {
  return timesBy((nodes) => new Map(nodes.map(({ id, callFrame }) => [id, ownerOf(callFrame)])));
}

/** As {@link stopProfile}, but all that is done for the thread that stores, whoever's functions do it, is `thread`. */
export function stopProfileOfThread() {
  return timesBy((nodes) => {
    const owners = new Map();
    // A node stands before its children.
    for (const { id, callFrame, children = [] } of nodes) {
      const isThreads = owners.get(id) === 'thread' || isOfThread(callFrame);
      owners.set(id, isThreads ? 'thread' : ownerOf(callFrame));
      if (isThreads) for (const child of children) owners.set(child, 'thread');
    }
    return owners;
  });
}

async function timesBy(ownersOf) {
  const { profile } = await session.post('Profiler.stop');
  session.disconnect();
  const owners = ownersOf(profile.nodes);
  const times = {};
  profile.samples.forEach((id, index) => {
    const owner = owners.get(id);
    times[owner] = (times[owner] ?? 0) + profile.timeDeltas[index];
  });
  delete times['(idle)'];
  return times;
}

/** What it tells, and what it is told. */
function isOfThread({ functionName, url }) {
  if (url.endsWith('/delivery/log-feed.js'))
    return functionName !== 'schedule' && functionName !== 'tellSoon';
  return /delivery\/thread\/|internal\/worker\/io$|internal\/event_target$/.test(url);
}

function ownerOf({ functionName, url }) {
  const room = /nest-audit-trail\/dist\/(?:esm|cjs)\/(?:([^/]+)\/)?/.exec(url);
  if (room) return `audit: ${room[1] ?? 'wiring'}`;
  const [, name] = /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url) ?? [];
  if (name) return name;
  if (url.startsWith('node:')) return 'Node';
  // The system call of the journal, and of the floor.
  if (functionName === 'writeBuffer' || functionName === 'writeString') return 'write to a file';
  return url === '' && functionName.startsWith('(') ? functionName : 'Node, native';
}
