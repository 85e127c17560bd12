// The policy: the whole table, walked; and who sees whose things.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { roles, scopes } from '../../../src/api/identity.ts';
import { type Action, may, policy, requireOwner, visibleAccount } from '../../../src/broker/identity/policy.ts';

const page = readFileSync(join(import.meta.dirname, '../../../docs/access.md'), 'utf8');
const includes = {
  read: ['read'],
  write: ['write', 'read', 'telemetry'],
  telemetry: ['telemetry'],
  admin: [...scopes],
};

describe.each(Object.entries(policy))('%s', (action, { roles: allowed, scope: needed, why }) => {
  test('is for its roles with its scope, and nobody else', () => {
    for (const role of roles) {
      for (const scope of scopes) {
        const expected = allowed.includes(role) && includes[scope].includes(needed);
        expect(may({ role, scopes: [scope] }, action as Action), `${role} with ${scope}`).toBe(expected);
      }
      expect(may({ role, scopes: [] }, action as Action)).toBe(false);
    }
  });

  test('an admin may', () => expect(allowed).toContain('admin'));

  test('stands in access.md with its roles, scope and reason', () => {
    const who = allowed.length === roles.length ? 'everyone' : allowed.join(', ');
    expect(page).toContain(`| \`${action}\` | ${who} | ${needed} | ${why} |`);
  });
});

test('only an admin sees every account', () => {
  expect(visibleAccount({ role: 'admin', accountId: 'a' })).toBeUndefined();
  for (const role of ['provider', 'consumer', 'developer'] as const) {
    expect(visibleAccount({ role, accountId: 'a' })).toBe('a');
    expect(() => requireOwner({ role, accountId: 'a' }, 'b', 'node', '1')).toThrow('there is no node 1');
    expect(() => requireOwner({ role, accountId: 'a' }, 'a', 'node', '1')).not.toThrow();
  }
  expect(() => requireOwner({ role: 'admin', accountId: 'a' }, 'b', 'node', '1')).not.toThrow();
  expect(() => requireOwner({ role: 'admin', accountId: 'a' }, undefined, 'node', '1')).toThrow('there is no node 1');
});
