import { SmtpMailer } from '../../../src/adapters/mail/smtp.ts';
import { mailerContract } from '../../contracts/mailer.ts';
import { delivered } from '../../fakes/read-mail.ts';
import { SmtpSink } from '../../fakes/smtp-sink.ts';

mailerContract('SMTP', async () => {
  const sink = await SmtpSink.start();
  const mailer = new SmtpMailer({
    host: '127.0.0.1',
    port: sink.port,
    tls: 'none',
    caFile: null,
    login: null,
    from: { name: 'Acme CI', address: 'ci@acme.example' },
    timeoutMs: 20_000,
  });
  return {
    mailer,
    delivered: async () => sink.mails.map(({ to, data }) => delivered(to, data)),
    rejectNext: (permanently) => sink.next('DATA', permanently ? '554 5.7.1 no thanks' : '451 4.3.0 later'),
    stop: () => sink.close(),
  };
});
