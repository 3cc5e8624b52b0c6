import { afterEach, beforeEach, expect, test } from 'vitest';
import { SendmailMailer } from '../../../src/adapters/mail/sendmail.ts';
import { NEVER } from '../../fixtures/never.ts';
import { isAlive } from '../local/scratch.ts';
import { MailProgram } from './program.ts';

const from = { name: 'Acme CI', address: 'ci@acme.example' };
const mail = {
  id: 'review.r1',
  to: ['dev@acme.example', 'ops@acme.example'],
  subject: 'FAILURE',
  text: 'all\n',
};
let program: MailProgram;

beforeEach(() => {
  program = new MailProgram();
});
afterEach(() => program.remove());

const mailer = (argv = program.argv) => new SendmailMailer({ argv, from, graceMs: 200 });

test('passes our arguments after the user’s, no secret of ours, and Unix line ends', async () => {
  process.env.SOS_CI_TEST_SECRET = 'correct horse';
  await mailer().send(mail, NEVER);
  delete process.env.SOS_CI_TEST_SECRET;
  const [{ argv, environment, data } = { argv: [], environment: {}, data: '' }] = program.received;
  expect(argv).toEqual(['-i', '-f', 'ci@acme.example', '--', 'dev@acme.example', 'ops@acme.example']);
  expect(Object.keys(environment).sort()).toEqual(['HOME', 'LANG', 'PATH']);
  expect(data).toContain('\nSubject: FAILURE\n');
  expect(data).not.toContain('\r');
});

test.each([
  [75, true],
  [71, true],
  [67, false],
  [78, false],
  [1, false],
])('exit status %i: retryable %s, with its output', async (status, retryable) => {
  program.next(status);
  await expect(mailer().send(mail, NEVER)).rejects.toMatchObject({
    operation: 'send mail',
    message: `exit status ${status}: no thanks`,
    retryable,
  });
});

test.each(['/nonexistent/sendmail', '/etc/hostname'])('%s cannot be run', async (file) => {
  await expect(mailer([file]).send(mail, NEVER)).rejects.toMatchObject({
    retryable: false,
    hint: 'correct mail.sendmail',
  });
});

test('a hanging program is killed, even if it ignores SIGTERM', async () => {
  program.next('hang');
  const stop = new AbortController();
  const sending = mailer().send(mail, stop.signal);
  const refused = expect(sending).rejects.toMatchObject({ retryable: true });
  // Polled: only the program itself knows when it hangs.
  while (program.hanging === null) await new Promise((resolve) => setTimeout(resolve, 20));
  stop.abort();
  await refused;
  const pid = program.hanging;
  await expect.poll(() => isAlive(pid)).toBe(false);
});
