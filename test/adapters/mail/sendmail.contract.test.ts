import { SendmailMailer } from '../../../src/adapters/mail/sendmail.ts';
import { mailerContract } from '../../contracts/mailer.ts';
import { delivered } from '../../fakes/read-mail.ts';
import { MailProgram } from './program.ts';

mailerContract('a program', async () => {
  const program = new MailProgram();
  const from = { name: 'Acme CI', address: 'ci@acme.example' };
  return {
    mailer: new SendmailMailer({ argv: program.argv, from, graceMs: 1_000 }),
    delivered: async () =>
      program.received.map(({ argv, data }) => delivered(argv.slice(argv.indexOf('--') + 1), data)),
    rejectNext: (permanently) => program.next(permanently ? 67 : 75),
    stop: async () => program.remove(),
  };
});
