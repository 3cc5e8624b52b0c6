/**
 * The daemon's SSH connections to Gerrit: one for the stream and all queries, and one for git. Gerrit limits them for each
 * account (sshd.maxConnectionsPerUser). A refused connection raises an alarm; `sos-ci status` shows the count.
 */
import { systemClock } from '../adapters/clock/system.ts';
import { StreamConnection } from '../adapters/gerrit/stream/stream-connection.ts';
import { SharedConnection } from '../adapters/gerrit/transport/shared-connection.ts';
import { ConnectionLimit } from '../adapters/git/connection-limit.ts';
import type { GerritConfig } from '../config/config.ts';
import type { Alarms } from '../engine/ports/adapters.ts';
import type { ConnectionsView } from '../engine/ports/store.ts';

export class GerritConnections {
  readonly stream: StreamConnection;
  readonly queries: SharedConnection;
  readonly git: ConnectionLimit;
  /** Called when `view` has changed. */
  onChange: () => void = () => {};
  readonly #needed: number;

  constructor(gerrit: GerritConfig, alarms: Alarms) {
    const changed = (): void => this.onChange();
    const target = `${gerrit.user}@${gerrit.host}:${gerrit.port}`;
    this.#needed = connectionsNeeded(gerrit);
    this.stream = new StreamConnection(changed);
    this.queries = new SharedConnection(gerrit, systemClock, () => this.stream.connection);
    this.git = new ConnectionLimit({
      freeConnection: () => this.queries.freeConnection(),
      onChange: changed,
      onRefused: (error) => {
        const kind = 'connections-refused';
        void alarms.raise(
          error === null
            ? { kind, target, message: 'Gerrit accepts the connection of git again', hint: '', cleared: true }
            : { kind, target, message: error.message, hint: error.hint },
        );
      },
    });
  }

  get view(): ConnectionsView {
    const own = (this.stream.connection === null ? 0 : 1) + (this.queries.isOpen ? 1 : 0);
    return { needed: this.#needed, open: own + this.git.taken };
  }
}

/** Two, because git needs its own connection; one if git fetches over another protocol. */
export function connectionsNeeded({ fetchUrl }: Pick<GerritConfig, 'fetchUrl'>): number {
  return fetchUrl === null || fetchUrl.startsWith('ssh:') ? 2 : 1;
}
