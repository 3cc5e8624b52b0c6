import { mailerContract } from '../contracts/mailer.ts';
import { FakeMailer } from './mailer.ts';

mailerContract('fake', async () => {
  const fake = new FakeMailer();
  return {
    mailer: fake,
    delivered: async () => fake.sent.map((mail) => ({ ...mail, messageId: mail.id })),
    refuseNext: (forGood) =>
      fake.failNext({
        operation: 'send mail',
        target: 'the fake',
        message: 'mailbox unavailable',
        retryable: !forGood,
        hint: 'configured by the test',
      }),
    stop: async () => {},
  };
});
