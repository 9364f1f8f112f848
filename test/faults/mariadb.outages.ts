import { describeDatabaseTrouble } from './faults.js';
import { MariaDbServer } from './servers/mariadb-server.js';

describeDatabaseTrouble(new MariaDbServer());
