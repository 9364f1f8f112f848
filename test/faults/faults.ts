// What befalls an application and its database, on one server: in two files, since the outages run alone.
import { Bench } from './bench.js';
import { describeBacklog } from './scenarios/backlog.js';
import { describeDoors } from './scenarios/doors.js';
import { describeJournal } from './scenarios/journal.js';
import { describeKills } from './scenarios/kills.js';
import { describeOutages } from './scenarios/outages.js';
import { describePoison } from './scenarios/poison.js';
import { describeSealing } from './scenarios/sealing.js';
import { describeShutdown } from './scenarios/shutdown.js';
import type { DatabaseServer } from './servers/database-server.js';

export function describeFaults(server: DatabaseServer): void {
  describe(server.name, () => {
    const bench = new Bench(server);
    describe('an application by each door', () => describeDoors(bench));
    describe('an application whose journal is in trouble', () => describeJournal(bench));
    describe('an application with a backlog', () => describeBacklog(bench));
    describe('an application with poisonous events', () => describePoison(bench));
    describe('many applications on one database', () => describeSealing(bench));
    describe('an application that is asked to end', () => describeShutdown(bench));
    describe('an application that is killed', () => describeKills(bench));
  });
}

/** They measure memory and times, so no other scenario runs beside them. */
export function describeDatabaseTrouble(server: DatabaseServer): void {
  describe(server.name, () => {
    const bench = new Bench(server);
    describe('an application whose database is in trouble', () => describeOutages(bench));
  });
}
