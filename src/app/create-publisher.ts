/** Creates the publisher for the configured destination of logs. */
import { LogServerPublisher } from '../adapters/evidence/log-server/publisher.ts';
import { PlaybookPublisher } from '../adapters/evidence/playbook/publisher.ts';
import { DirectoryPublisher } from '../adapters/evidence/publish/directory-publisher.ts';
import { SwiftPublisher } from '../adapters/evidence/swift/publisher.ts';
import type { Config } from '../config/config.ts';
import type { Publisher } from '../engine/ports/publisher.ts';
import { openStackSession } from './openstack-session.ts';
import { playbooksOnThisHost } from './playbooks.ts';

export function createPublisher({ logs: { destination }, ...host }: Config): Publisher {
  switch (destination.type) {
    case 'directory':
      return new DirectoryPublisher(destination.dir);
    case 'ssh':
      return new LogServerPublisher(destination);
    case 'playbook':
      return new PlaybookPublisher({
        ...destination,
        run: playbooksOnThisHost(host, { ...destination, variableFiles: [] }),
      });
    case 'swift':
      return new SwiftPublisher({ ...destination, session: openStackSession(destination) });
  }
}
