import type { Socket } from 'node:net';
import type { DataSource } from 'typeorm';

/** What is known of the connections of mysql2 and pg. */
interface DriverConnection {
  readonly stream?: Socket;
  readonly connection?: { readonly stream?: Socket };
}

/**
 * Runs one statement on a connection of the pool.
 *
 * @param signal breaks that connection when it aborts: nothing else ends a statement that the server does not answer,
 *   and the pool makes a new connection in its place
 * @throws the driver's error
 */
export async function runStatement(
  source: DataSource,
  text: string,
  values: readonly (string | number | null)[],
  signal?: AbortSignal,
): Promise<unknown> {
  const runner = source.createQueryRunner();
  let connection: DriverConnection | undefined;
  const breakOff = () => (connection?.stream ?? connection?.connection?.stream)?.destroy();
  try {
    connection = (await runner.connect()) as DriverConnection | undefined;
    signal?.throwIfAborted();
    signal?.addEventListener('abort', breakOff, { once: true });
    return await runner.query(text, [...values]);
  } finally {
    signal?.removeEventListener('abort', breakOff);
    await runner.release();
  }
}
