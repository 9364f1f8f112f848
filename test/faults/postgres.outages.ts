import { describeDatabaseTrouble } from './faults.js';
import { PostgresServer } from './servers/postgres-server.js';

describeDatabaseTrouble(new PostgresServer());
