/**
 * Mail by a program of this host's that takes it on its standard input, as sendmail does and as postfix, exim, msmtp
 * and others do in its name: `PROGRAM ... -i -f SENDER -- RECIPIENT ...`. Arguments are a list; all addresses in it are the
 * configuration's, and none begins with a dash.
 */
import { execa } from 'execa';
import nodemailer from 'nodemailer';
import type { Mailer } from '../../engine/ports/adapters.ts';
import { compose, type Mail, type Sender } from './compose.ts';
import { programFailure, stoppedMail } from './failure.ts';

export interface SendmailOptions {
  /** Program and arguments of the user's. */
  readonly argv: readonly string[];
  readonly from: Sender;
  /** How long the program may take to end after it was told to. */
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
    const [program = '', ...words] = argv;
    if (signal.aborted) throw stoppedMail(program);
    const result = await execa(program, [...words, '-i', '-f', from.address, '--', ...mail.to], {
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
    throw programFailure(program, { missing, status: result.exitCode ?? null, said: result.stderr });
  }
}

/** Line ends of Unix, as such programs want them. */
async function rawMessage(mail: Mail, from: Sender): Promise<Buffer> {
  const composer = nodemailer.createTransport({ streamTransport: true, buffer: true, newline: 'unix' });
  const { message } = await composer.sendMail(compose(mail, from));
  if (!Buffer.isBuffer(message)) throw new Error('nodemailer was asked for a buffer');
  return message;
}
