import { mailerContract } from '../contracts/mailer.ts';
import { FakeMailer } from './mailer.ts';

mailerContract('fake', async () => {
  const fake = new FakeMailer();
  return {
    mailer: fake,
    delivered: async () => fake.sent.map((mail) => ({ ...mail, messageId: mail.id })),
    rejectNext: (permanently) =>
      fake.failNext({
        operation: 'send mail',
        target: 'the fake',
        message: 'mailbox unavailable',
        retryable: !permanently,
        hint: 'configured by the test',
      }),
    stop: async () => {},
  };
});
