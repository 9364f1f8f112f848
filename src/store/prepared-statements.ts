// MySQL and MariaDB: statements whose values travel apart from their text. What TypeORM asks of mysql2, `query()`, writes the
// values into the text, and how they must be escaped there depends on the character set and the mode of the session.

/** What is used of a connection of mysql2. */
export interface MysqlConnection {
  query(text: string, done: Done): void;
  execute(text: string, values: readonly unknown[], done: Done): void;
  /** Has the server forget the statement. */
  unprepare(text: string): void;
}

type Done = (error: (Error & { readonly sqlState?: string }) | null, result: unknown) => void;

/** Statements that stay prepared on a connection; the server has one limit for all its clients, 16,382 by default. */
const MOST_STATEMENTS = 20;
/** Places for values in all of them: each takes about 500 bytes of the server's memory. One INSERT of events has at most 9,500. */
const MOST_PLACES = 12_000;

/** The statements of each connection, the one used last at the end, each with the number of its places. */
const kept = new WeakMap<MysqlConnection, Map<string, number>>();

/**
 * Has the server prepare the statement, unless it has, and run it with the values.
 *
 * @throws the driver's error
 */
export function executePrepared<T>(
  connection: MysqlConnection,
  text: string,
  values: readonly unknown[],
): Promise<T> {
  return new Promise((resolve, reject) => {
    connection.execute(text, values, (error, result) => {
      // Only while the server answers: on a closed connection, mysql2 throws at nobody.
      if (!error || error.sqlState !== undefined) keep(connection, text, error ? 0 : values.length);
      if (error) reject(error);
      else resolve(result as T);
    });
  });
}

/** @param places 0 where the statement has failed: perhaps the server does not know it any more */
function keep(connection: MysqlConnection, text: string, places: number): void {
  const statements = kept.get(connection) ?? new Map<string, number>();
  kept.set(connection, statements);
  statements.delete(text);
  if (places === 0) connection.unprepare(text);
  else statements.set(text, places);
  let total = 0;
  for (const count of statements.values()) total += count;
  for (const [oldest, count] of statements) {
    if (statements.size <= MOST_STATEMENTS && total <= MOST_PLACES) break;
    statements.delete(oldest);
    connection.unprepare(oldest);
    total -= count;
  }
}
