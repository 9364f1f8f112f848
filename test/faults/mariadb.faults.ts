import { describeFaults } from './faults.js';
import { MariaDbServer } from './servers/mariadb-server.js';

describeFaults(new MariaDbServer());
