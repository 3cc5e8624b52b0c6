import { describe, expect, test } from 'vitest';
import { jsonSchema, keysAt, listKeys, suggestKey } from '../../src/config/key-reference.ts';

describe('the list of keys', () => {
  test('describes each key', () => {
    for (const key of listKeys()) {
      expect(key.about, key.path).toMatch(/^.{5,}$/);
      expect(key.kind, key.path).not.toBe('');
    }
  });

  test('distinguishes required keys from optional ones', () => {
    const keys = new Map(listKeys().map((key) => [key.path, key.default]));
    expect(keys.get('gerrit.host')).toBeUndefined();
    expect(keys.get('gerrit.name')).toBeNull();
    expect(keys.get('mail.smtp.password')).toBeNull();
    expect(keys.get('gerrit.port')).toBe(29418);
  });

  test('has a key again where it has another default', () => {
    const users = listKeys().filter(({ path }) => path === 'providers.NAME.ssh.user');
    expect(users.map(({ default: fallback, about }) => [fallback, about.split(')')[0]])).toEqual([
      [undefined, '(static, command, ansible'],
      [null, '(openstack'],
    ]);
  });

  test('has at most 201 keys', () => {
    expect(new Set(listKeys().map(({ path }) => path)).size).toBeLessThanOrEqual(201);
  });
});

test('the JSON Schema has the keys, types and defaults that an editor needs', () => {
  expect(jsonSchema()).toMatchObject({
    $schema: 'http://json-schema.org/draft-07/schema#',
    required: ['gerrit', 'jobs'],
    additionalProperties: false,
    properties: {
      gerrit: {
        required: ['host', 'user', 'key'],
        additionalProperties: false,
        properties: {
          host: { type: 'string', description: 'the Gerrit server' },
          port: { type: 'integer', minimum: 1, maximum: 65_535, default: 29_418 },
          commandTimeout: { type: 'string', pattern: expect.any(String), default: '1m' },
          rest: { required: ['url', 'password'] },
        },
      },
      providers: {
        additionalProperties: {
          oneOf: [
            { properties: { type: { const: 'local' } } },
            { required: ['type', 'ssh', 'hosts'], properties: { type: { const: 'static' } } },
            { properties: { type: { const: 'command' } } },
            { required: ['type', 'ssh', 'playbooks'], properties: { type: { const: 'ansible' } } },
            {
              required: ['type', 'ssh', 'image', 'flavor', 'networks'],
              properties: { type: { const: 'openstack' } },
            },
          ],
        },
      },
      triggers: { properties: { supersede: { enum: ['running', 'queued', 'never'], default: 'running' } } },
    },
  });
});

describe('a suggestion', () => {
  test('is the nearest key of the same mapping', () => {
    expect(suggestKey(['gerrit'], 'hots')).toBe('did you mean "host"?');
  });

  test('is a key with the same name elsewhere', () => {
    expect(suggestKey(['jobs', 'x'], 'bootTimeout')).toBe('did you mean jobs.NAME.limits.bootTimeout?');
  });

  test('is otherwise the list of known keys', () => {
    expect(suggestKey(['headStart'], 'zzz')).toBe('known here: recheck');
  });

  test('works inside names, lists and defaults', () => {
    expect(keysAt(['jobs', 'any name', 'testing'])).toContain('results');
    expect(keysAt(['report', 'nothing', 'here'])).toEqual([]);
  });
});
