// The matrix of identity: signing in, users, accounts, the audit log; and of what every server has.
import type { MatrixRow } from './row.ts';

const password = 'correct horse battery';
const sameForAll = 'the same for every admin, and for admins alone';

export const rows: MatrixRow[] = [
  { route: 'GET /health', success: 200 },
  { route: 'GET /openapi.json', success: 200 },
  {
    route: 'POST /api/v2/auth/login',
    success: 200,
    async call(api, { accountId }) {
      const email = 'login@example.org';
      await api.as('admin').post('/users', { account_id: accountId, email, name: 'L', role: 'consumer', password });
      return { body: { email, password } };
    },
  },
  // Without an issuer there is nothing to sign in at; test/broker/identity/oidc.test.ts has one.
  { route: 'GET /api/v2/auth/oidc/start', success: 404 },
  { route: 'GET /api/v2/auth/oidc/callback', success: 404 },
  {
    route: 'POST /api/v2/auth/oidc/exchange',
    success: 404,
    call: () => ({ body: { code: 'x'.repeat(43), verifier: 'x'.repeat(43) } }),
  },
  // An API key has no session to end; test/broker/identity/sign-in.test.ts ends sessions.
  { route: 'POST /api/v2/auth/logout', success: 409 },
  { route: 'GET /api/v2/auth/me', success: 200 },
  { route: 'PUT /api/v2/auth/password', success: 200, call: () => ({ body: { new_password: password } }) },
  { route: 'POST /api/v2/auth/api-keys', success: 201, call: () => ({ body: { name: 'k', scopes: ['read'] } }) },
  { route: 'GET /api/v2/auth/api-keys', success: 200 },
  {
    route: 'DELETE /api/v2/auth/api-keys/:id',
    success: 200,
    async call(api, owner) {
      const { body } = await api.as(owner).post('/auth/api-keys', { name: 'k', scopes: ['read'] });
      return { params: { id: body.id } };
    },
  },
  {
    route: 'POST /api/v2/users',
    success: 201,
    call: (_api, { accountId }) => ({
      body: { account_id: accountId, email: 'new@example.org', name: 'N', role: 'consumer' },
    }),
  },
  { route: 'GET /api/v2/users', success: 200 },
  ...(['GET', 'PATCH', 'DELETE'] as const).map(
    (method): MatrixRow => ({
      route: `${method} /api/v2/users/:id`,
      success: 200,
      notOwned: sameForAll,
      call: async (api) => ({
        params: { id: (await api.addPrincipal('consumer')).userId },
        ...(method === 'PATCH' ? { body: { name: 'Other' } } : {}),
      }),
    }),
  ),
  { route: 'POST /api/v2/accounts', success: 201, call: () => ({ body: { name: 'new' } }) },
  { route: 'GET /api/v2/accounts', success: 200 },
  ...(['GET', 'PATCH'] as const).map(
    (method): MatrixRow => ({
      route: `${method} /api/v2/accounts/:id`,
      success: 200,
      notOwned: sameForAll,
      call: (api) => ({
        params: { id: api.principals.developer.accountId },
        ...(method === 'PATCH' ? { body: { name: 'Other' } } : {}),
      }),
    }),
  ),
  { route: 'GET /api/v2/audit', success: 200 },
  { route: 'GET /api/v2/audit/chain', success: 200 },
];
