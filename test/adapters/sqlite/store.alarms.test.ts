/** The contract of alarms, on SQLite. */
import { openStore } from '../../../src/adapters/sqlite/store.ts';
import { storeAlarmsContract } from '../../contracts/store-alarms.ts';

storeAlarmsContract('SQLite :memory:', () => openStore(':memory:'));
