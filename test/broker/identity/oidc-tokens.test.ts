// ID tokens that do not fit, from an issuer made by hand: a real one does not make them.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { identityRoutes } from '../../../src/broker/api/http/routes/identity.ts';
import { Oidc } from '../../../src/broker/identity/oidc.ts';
import { startTestApi } from '../../fixtures/broker-http.ts';

/** Answers every code with an ID token whose claims the test decides. */
async function startForger() {
  const { privateKey, publicKey } = await generateKeyPair('RS256');
  const foreign = await generateKeyPair('RS256');
  const state = { claims: {} as Record<string, unknown>, signedByOther: false };
  const server = createServer(async (request, response) => {
    const send = (body: unknown) => response.setHeader('content-type', 'application/json').end(JSON.stringify(body));
    if (request.url === '/.well-known/openid-configuration') {
      return send({
        issuer: url,
        authorization_endpoint: `${url}/authorize`,
        token_endpoint: `${url}/token`,
        jwks_uri: `${url}/keys`,
        response_types_supported: ['code'],
        subject_types_supported: ['public'],
        id_token_signing_alg_values_supported: ['RS256'],
      });
    }
    if (request.url === '/keys') return send({ keys: [{ ...(await exportJWK(publicKey)), alg: 'RS256', use: 'sig' }] });
    const now = Math.floor(Date.now() / 1000);
    const claims = {
      iss: url,
      aud: 'gpubroker',
      sub: 's',
      iat: now,
      exp: now + 60,
      email: 'x@example.org',
      ...state.claims,
    };
    const token = new SignJWT(claims).setProtectedHeader({ alg: 'RS256' });
    const id_token = await token.sign(state.signedByOther ? foreign.privateKey : privateKey);
    return send({ access_token: 'a', token_type: 'Bearer', id_token });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { url, state };
}

test('audience, issuer, nonce, time and key must fit', async () => {
  const { url, state } = await startForger();
  const api = await startTestApi((app, services) => {
    const redirectBase = 'http://127.0.0.1:10355';
    const options = { issuer: url, clientId: 'gpubroker', clientSecret: 'x', redirectBase };
    identityRoutes(app, { ...services, oidc: new Oidc(options, services, pino({ level: 'silent' })) });
  });
  const attempt = async (change: Record<string, unknown>, signedByOther = false) => {
    const begun = await api.as('anonymous').get('/auth/oidc/start');
    const asked = new URL(String(begun.headers.location)).searchParams;
    state.claims = { nonce: asked.get('nonce'), ...change };
    state.signedByOther = signedByOther;
    const [cookie = ''] = String(begun.headers['set-cookie']).split(';', 1);
    const query = new URLSearchParams({ code: 'c', state: asked.get('state') ?? '' });
    return (await api.as('anonymous').get(`/auth/oidc/callback?${query}`, { cookie })).status;
  };
  expect(await attempt({})).toBe(200);
  expect(await attempt({ aud: 'somebody else' })).toBe(401);
  expect(await attempt({ aud: ['gpubroker', 'other'], azp: 'other' })).toBe(401);
  expect(await attempt({ iss: 'http://127.0.0.1:1' })).toBe(401);
  expect(await attempt({ nonce: 'planted' })).toBe(401);
  expect(await attempt({ nonce: undefined })).toBe(401);
  expect(await attempt({ exp: 1 })).toBe(401);
  expect(await attempt({}, true)).toBe(401);
  expect(await attempt({ sub: 'new', email: undefined })).toBe(403);
});
