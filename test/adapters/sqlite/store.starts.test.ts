/** The contract of starts, on SQLite. */
import { openStore } from '../../../src/adapters/sqlite/store.ts';
import { startsContract } from '../../contracts/store-starts.ts';

startsContract('SQLite :memory:', () => openStore(':memory:'));
