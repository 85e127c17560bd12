// The cache of principals: asks seldom, forgets at once what is revoked, here and through a real Redis everywhere.
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type Credential, PrincipalCache } from '../../../src/broker/identity/principal-cache.ts';
import { openRedis, type SharedRedis } from '../../../src/broker/redis.ts';
import { testWith } from '../../capabilities.ts';
import { startRedis } from '../../fixtures/redis.ts';

const credential: Credential = {
  principal: { kind: 'user', credentialId: 'c', userId: 'u', accountId: 'a', email: 'e', role: 'provider', scopes: [] },
};

/** A store that counts how often it is asked. */
function store() {
  const state = { asked: 0, stored: credential as Credential | undefined };
  const load = async () => {
    state.asked++;
    return state.stored;
  };
  return { state, load };
}

describe('in one process', () => {
  test('asks once in five seconds', async () => {
    let at = 0;
    const cache = new PrincipalCache({ now: () => new Date(at) });
    const { state, load } = store();
    for (at = 0; at < 5000; at += 1000) expect(await cache.get('c', load)).toEqual(credential);
    expect(state.asked).toBe(1);
    at = 5000;
    await cache.get('c', load);
    expect(state.asked).toBe(2);
  });

  test('forgets at once what is revoked, also what was just being loaded', async () => {
    const cache = new PrincipalCache({ now: () => new Date(0) });
    const { state, load } = store();
    await cache.get('c', load);
    state.stored = undefined;
    await cache.revoke(['c']);
    expect(await cache.get('c', load)).toBeUndefined();
    let release = () => {};
    const slow = cache.get('c', async () => {
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      return credential;
    });
    await sleep(0);
    await cache.revoke(['c']);
    release();
    await slow;
    expect(await cache.get('c', load)).toBeUndefined();
  });

  test('keeps nothing beyond its end, and no unknown ones', async () => {
    let at = 0;
    const cache = new PrincipalCache({ now: () => new Date(at) });
    const load = async () => ({ ...credential, expiresAt: 1000 });
    expect(await cache.get('c', load)).toBeDefined();
    at = 1000;
    expect(await cache.get('c', load)).toBeUndefined();
    const { state, load: none } = store();
    state.stored = undefined;
    await cache.get('x', none);
    await cache.get('x', none);
    expect(state.asked).toBe(2);
  });
});

describe('through Redis', () => {
  async function two(url: string) {
    const log = pino({ level: 'silent' });
    const open = async (): Promise<SharedRedis> => {
      const redis = openRedis({ url, log });
      onTestFinished(() => redis.close());
      for (let tries = 0; tries < 200 && !(await redis.answers()); tries++) await sleep(25);
      return redis;
    };
    const now = () => new Date();
    return [
      new PrincipalCache({ redis: await open(), now }),
      new PrincipalCache({ redis: await open(), now }),
    ] as const;
  }

  testWith('redis-server')('what one process knows the other knows, and what one revokes is gone in both', async () => {
    const server = await startRedis();
    const [here, there] = await two(server.url);
    const { state, load } = store();
    expect(await here.get('c', load)).toEqual(credential);
    expect(await there.get('c', load)).toEqual(credential);
    expect(state.asked).toBe(1);
    state.stored = undefined;
    await here.revoke(['c']);
    expect(await there.get('c', load)).toBeUndefined();
    expect(await here.get('c', load)).toBeUndefined();
    // A process that was slow to load it does not bring it back.
    await there.get('c', async () => credential);
    expect(await here.get('c', load)).toBeUndefined();
  });

  testWith('redis-server')('without Redis each goes on alone', async () => {
    const server = await startRedis();
    const [here] = await two(server.url);
    const { state, load } = store();
    await here.get('c', load);
    await server.kill();
    expect(await here.get('c', load)).toEqual(credential);
    expect(await here.get('c', load)).toEqual(credential);
    expect(state.asked).toBe(2);
    state.stored = undefined;
    await here.revoke(['c']);
    expect(await here.get('c', load)).toBeUndefined();
  });
});
