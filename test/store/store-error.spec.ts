import { classifyStoreError } from '../../src/store/store-error.js';

/** An error of mysql2 by its number, with the SQLSTATE that the server sends with it. */
const errorOf = (errno: number, sqlState = 'HY000') =>
  Object.assign(new Error('something'), { errno, sqlState, code: `ER_${errno}` });

describe('an error of the database', () => {
  it.each([
    [1020, 'HY000', 'MariaDB: the row has changed since it was read'],
    [1026, 'HY000', 'error writing a file'],
    [1030, 'HY000', 'error of the storage engine'],
    [1037, 'HY001', 'out of memory'],
    [1180, 'HY000', 'error during COMMIT'],
    [1206, 'HY000', 'too many locks'],
    [1927, '70100', 'MariaDB: connection was killed'],
    [1969, '70100', 'MariaDB: max_statement_time exceeded'],
    [3100, 'HY000', 'a plugin refused the COMMIT, as group replication without a quorum'],
    [3169, 'HY000', 'session was killed'],
    [4031, 'HY000', 'disconnected for inactivity'],
    [8022, 'HY000', 'TiDB: COMMIT failed, try again'],
    [8028, 'HY000', 'TiDB: the schema has changed'],
    [9001, 'HY000', 'TiDB: PD timeout'],
    [9002, 'HY000', 'TiDB: TiKV timeout'],
    [9003, 'HY000', 'TiDB: TiKV is busy'],
    [9004, 'HY000', 'TiDB: resolving locks timed out'],
    [9005, 'HY000', 'TiDB: region is unavailable'],
    [9007, 'HY000', 'TiDB: write conflict'],
  ])('%i (%s) is of the server, not of an event: %s', (errno, sqlState) => {
    expect(classifyStoreError(errorOf(errno, sqlState))).toBe('away');
  });

  it('is unclear where nobody can tell', () => {
    // A trigger's own error, and a missing right.
    expect(classifyStoreError(errorOf(1644, '45000'))).toBe('unclear');
    expect(classifyStoreError(errorOf(1142, '42000'))).toBe('unclear');
  });
});
