/**
 * Sends mail through a local program that reads it from standard input, such as sendmail or its replacements from
 * postfix, exim and msmtp: `PROGRAM ... -i -f SENDER -- RECIPIENT ...`. Arguments are passed as a list; all addresses
 * come from the configuration, and none begins with a dash.
 */
import { execa } from 'execa';
import nodemailer from 'nodemailer';
import type { Mailer } from '../../engine/ports/adapters.ts';
import { compose, type Mail, type Sender } from './compose.ts';
import { programFailure, stoppedMail } from './failure.ts';

export interface SendmailOptions {
  /** The configured program and arguments. */
  readonly argv: readonly string[];
  readonly from: Sender;
  /** How long the program may take to exit after SIGTERM. */
  readonly graceMs: number;
}

const OUTPUT_BYTES = 64 * 1024;

export class SendmailMailer implements Mailer {
  readonly #options: SendmailOptions;

  constructor(options: SendmailOptions) {
    this.#options = options;
  }

  async send(mail: Mail, signal: AbortSignal): Promise<void> {
    const { argv, from, graceMs } = this.#options;
    const [program = '', ...args] = argv;
    if (signal.aborted) throw stoppedMail(program);
    const result = await execa(program, [...args, '-i', '-f', from.address, '--', ...mail.to], {
      input: await rawMessage(mail, from),
      env: { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '/', LANG: 'C' },
      extendEnv: false,
      reject: false,
      maxBuffer: OUTPUT_BYTES,
      cancelSignal: signal,
      forceKillAfterDelay: graceMs,
    });
    if (!result.failed) return;
    if (signal.aborted) throw stoppedMail(program);
    const missing = result.code === 'ENOENT' || result.code === 'EACCES';
    throw programFailure(program, { missing, status: result.exitCode ?? null, detail: result.stderr });
  }
}

/** With Unix line endings, which such programs expect. */
async function rawMessage(mail: Mail, from: Sender): Promise<Buffer> {
  const composer = nodemailer.createTransport({ streamTransport: true, buffer: true, newline: 'unix' });
  const { message } = await composer.sendMail(compose(mail, from));
  if (!Buffer.isBuffer(message)) throw new Error('nodemailer did not return a buffer');
  return message;
}
