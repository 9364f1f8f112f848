// Finds the server of one kind of database: the one that is asked for, else a local one, else a private one.

/**
 * Where a server is and who the tests are there, in TypeORM's words.
 *
 * @typedef {{ host?: string, port?: number, socketPath?: string, username: string, password?: string,
 *   database?: string }} ServerAddress
 */

/**
 * @typedef {object} ServerKind
 * @property {string} label its name for people
 * @property {string} variable the environment variable with the URL of a server
 * @property {number} defaultPort
 * @property {string} socketParameter the parameter of a URL that holds a Unix socket
 * @property {string} packages what to install on Debian
 * @property {() => ServerAddress[]} local where a server usually is on the own machine
 * @property {string} check a statement that fails where the user may not create databases, and changes nothing
 * @property {string} listDatabases a query of the `name` of each database
 * @property {(name: string) => string[]} dropDatabase
 * @property {(server: ServerAddress, statements: string[]) => Promise<object[]>} query runs the statements on one
 *   connection; the rows of the last one
 * @property {() => Promise<ServerAddress | undefined>} startPrivate `undefined` where the programs are missing
 */

/**
 * @param {ServerKind} kind
 * @returns {Promise<{ server: ServerAddress, note: string, isPrivate?: true } | { missing: string }>}
 * @throws Error where the environment asks for a server that can't be used, or requires one and there is none
 */
export async function findServer(kind, env = process.env) {
  const found = await search(kind, env);
  if ('missing' in found && env.AUDIT_TEST_REQUIRE_DATABASES === '1') {
    throw new Error(
      `${found.missing}. AUDIT_TEST_REQUIRE_DATABASES=1 requires it: install one ` +
        `(Debian: apt-get install ${kind.packages}), or set ${kind.variable} to the URL of one.`,
    );
  }
  return found;
}

async function search(kind, env) {
  const reasons = [];
  if (env.AUDIT_TEST_PRIVATE_SERVERS !== '1') {
    if (env[kind.variable])
      return { server: await givenServer(kind, env[kind.variable]), note: kind.variable };
    for (const server of kind.local()) {
      try {
        await kind.query(server, [kind.check]);
        return { server, note: 'the local server' };
      } catch (error) {
        reasons.push(`${describeAddress(server)}: ${describeError(error)}`);
      }
    }
  }
  try {
    const server = await kind.startPrivate();
    if (server) return { server, note: 'a private server', isPrivate: true };
    reasons.push('no programs to start a private server with');
  } catch (error) {
    reasons.push(`a private server: ${describeError(error)}`);
  }
  return { missing: `no ${kind.label} server (${reasons.join('; ')})` };
}

async function givenServer(kind, url) {
  try {
    const server = parseAddress(kind, url);
    await kind.query(server, [kind.check]);
    return server;
  } catch (error) {
    throw new Error(
      `${kind.variable} is set, but its server can't be used: ${describeError(error)}. Start that server and let ` +
        'its user create databases, or unset the variable to use a local or a private server.',
      { cause: error },
    );
  }
}

function parseAddress(kind, url) {
  if (!URL.canParse(url))
    throw new Error('it is not a URL such as scheme://user:password@host:port/database');
  const { hostname, port, username, password, pathname, searchParams } = new URL(url);
  const unknown = [...searchParams.keys()].filter((name) => name !== kind.socketParameter);
  if (unknown.length > 0) throw new Error(`the tests don't know its parameter ${unknown.join(', ')}`);
  const database = decodeURIComponent(pathname.slice(1));
  const socket = searchParams.get(kind.socketParameter);
  return {
    host: decodeURIComponent(hostname) || '127.0.0.1',
    port: Number(port) || kind.defaultPort,
    username: decodeURIComponent(username),
    ...(password && { password: decodeURIComponent(password) }),
    ...(database && { database }),
    ...(socket && { [kind.socketParameter]: socket }),
  };
}

/** For people, so without the password. */
export function describeAddress({ username, host, port, socketPath }) {
  return `${username}@${socketPath ?? `${host}:${port}`}`;
}

function describeError(error) {
  // The error of a host with several addresses has a list of errors and no message of its own.
  const message = error.message || error.errors?.[0]?.message || error.code || String(error);
  return message.replace(/\s+/g, ' ').replace(/\.$/, '');
}
