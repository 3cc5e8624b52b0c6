/** What is wrong between the keys of `mail`: nobody to tell, no way or two ways to send, a password in the clear. */
import type { Add } from './check.ts';
import { isLoopback } from './fields/validators.ts';
import { at, isMapping } from './file/yaml-document.ts';

export function checkMail(root: unknown, add: Add): void {
  const mail = at(root, ['mail']);
  if (!isMapping(mail)) return;
  if (isEmpty(mail.to) && isEmpty(mail.operator)) {
    add(['mail'], 'tells nobody', 'add to: [ADDRESS] for reviews, operator: [ADDRESS] for alarms, or both');
  }
  const ways = ['smtp', 'sendmail'].filter((way) => mail[way] !== undefined && mail[way] !== null);
  if (ways.length === 0) {
    add(['mail'], 'has no way to send', 'add smtp: {host: HOST}, or sendmail: [/usr/sbin/sendmail]');
  }
  if (ways.length === 2) add(['mail', 'sendmail'], 'stands beside smtp', 'keep one of the two');
  checkLogin(mail.smtp, add);
}

function checkLogin(smtp: unknown, add: Add): void {
  if (!isMapping(smtp)) return;
  const { user, password, tls, host } = smtp;
  const [hasUser, hasPassword] = [user !== undefined, password !== undefined];
  if (hasUser !== hasPassword) {
    const missing = hasUser ? 'password' : 'user';
    add(['mail', 'smtp'], `has no ${missing} for its ${hasUser ? 'user' : 'password'}`, `add ${missing}`);
  }
  if (hasPassword && tls === 'none' && typeof host === 'string' && !isLoopback(host)) {
    add(['mail', 'smtp', 'tls'], 'would send the password in the clear', 'write starttls or tls');
  }
}

function isEmpty(list: unknown): boolean {
  return list === undefined || list === null || (Array.isArray(list) && list.length === 0);
}
