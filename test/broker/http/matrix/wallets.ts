// The matrix of wallets.
import type { MatrixRow } from './row.ts';

export const rows: MatrixRow[] = [
  { route: 'GET /api/v2/wallet', success: 200 },
  { route: 'GET /api/v2/wallet/transfers', success: 200 },
  { route: 'POST /api/v2/wallet/deposits', success: 201, call: () => ({ body: { amount: '10.00' } }) },
  {
    route: 'POST /api/v2/wallet/withdrawals',
    success: 201,
    async call(api, { accountId }) {
      await api.as('admin').post('/wallet/deposits', { amount: '5.00', account_id: accountId });
      return { body: { amount: '5.00' } };
    },
  },
  // Without a secret no payment is taken; test/broker/billing/payments.test.ts has one.
  {
    route: 'POST /api/v2/wallet/payments',
    success: 404,
    call: (_api, { accountId }) => ({
      body: { payment_id: 'pay-1', account_id: accountId, amount: '1.00', currency: 'USD' },
    }),
  },
];
