/** A log that is kept for a test to look at: one line a call, `warn sweep: the cloud is away`. */
import type { Log } from '../../src/log.ts';

export class FakeLog implements Log {
  readonly lines: string[] = [];

  debug(_fields: object, _message: string): void {}

  info(_fields: object, message: string): void {
    this.lines.push(`info ${message}`);
  }

  warn(_fields: object, message: string): void {
    this.lines.push(`warn ${message}`);
  }

  error(_fields: object, message: string): void {
    this.lines.push(`error ${message}`);
  }

  child(): Log {
    return this;
  }
}
