import { describeFaults } from './faults.js';
import { PostgresServer } from './servers/postgres-server.js';

describeFaults(new PostgresServer());
