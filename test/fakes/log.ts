/** Records one line for each call: `warn sweep: the cloud is away`. */
import type { Log } from '../../src/log.ts';

export class FakeLog implements Log {
  readonly lines: string[] = [];
  /** The fields of each line. */
  readonly fields: object[] = [];

  debug(_fields: object, _message: string): void {}

  info(fields: object, message: string): void {
    this.fields.push(fields);
    this.lines.push(`info ${message}`);
  }

  warn(fields: object, message: string): void {
    this.fields.push(fields);
    this.lines.push(`warn ${message}`);
  }

  error(fields: object, message: string): void {
    this.fields.push(fields);
    this.lines.push(`error ${message}`);
  }

  child(): Log {
    return this;
  }
}
