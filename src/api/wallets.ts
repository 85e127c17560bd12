// Wallets: what an account may spend, what is held back, and every movement.
import { type Static, Type } from 'typebox';
import { Id, Nullable, OneOf, Time } from './fields.ts';
import { Page, pageFields } from './lists.ts';
import { Money, MoneyInput } from './money.ts';

const Amount = { ...MoneyInput, description: 'US dollars, above 0, with up to six decimal places.' };
const Reference = Type.String({ pattern: '^[\\x20-\\x7e]{1,200}$', maxLength: 200, description: 'What you call it.' });

export const WalletQuery = Type.Object({
  account_id: Type.Optional({ ...Id, description: 'For admins; one’s own without it.' }),
});
export type WalletQuery = Static<typeof WalletQuery>;

export const Wallet = Type.Object({
  account_id: Id,
  currency: Type.Literal('USD'),
  available: { ...Money, description: 'Free to spend or withdraw.' },
  escrow: { ...Money, description: 'Held back for open orders and for trades that are not paid yet.' },
  total: Money,
});
export type Wallet = Static<typeof Wallet>;

export const NewDeposit = Type.Object({
  amount: Amount,
  account_id: Type.Optional({ ...Id, description: 'Whose; one’s own without it.' }),
  reference: Type.Optional(Reference),
});
export type NewDeposit = Static<typeof NewDeposit>;

export const NewWithdrawal = Type.Object({ amount: Amount, reference: Type.Optional(Reference) });
export type NewWithdrawal = Static<typeof NewWithdrawal>;

/** Of a deposit or a withdrawal. */
export const WalletMovement = Type.Object({
  id: Id,
  account_id: Id,
  amount: Money,
  reference: Type.String(),
  available: { ...Money, description: 'What the account may spend after it.' },
});
export type WalletMovement = Static<typeof WalletMovement>;

/** What a payment system tells, signed; its headers are checked where the signature is. */
export const PaymentNotice = Type.Object({
  payment_id: Type.String({
    pattern: '^[\\x21-\\x7e]{1,100}$',
    maxLength: 100,
    description: 'The payment system’s id of the payment; one payment is booked once.',
  }),
  account_id: Id,
  amount: Amount,
  currency: Type.Literal('USD'),
});
export type PaymentNotice = Static<typeof PaymentNotice>;

const transferReasons = ['deposit', 'withdrawal', 'escrow', 'release', 'capture'] as const;

/** One movement, as one of its accounts sees it. */
export const WalletTransfer = Type.Object({
  seq: Type.Integer({ minimum: 0, description: 'Of the market’s command that made it.' }),
  position: Type.Integer({ minimum: 0, description: 'Among the movements of that command.' }),
  at: Time,
  reason: OneOf(transferReasons, {
    description:
      'escrow: held back for an order. release: given back. capture: paid by the buyer’s escrow to the seller.',
  }),
  available_change: { ...Money, description: 'What it did to the free balance.' },
  escrow_change: { ...Money, description: 'What it did to what is held back.' },
  order_id: Nullable(Id),
  trade_id: Nullable(Id),
  id: Nullable({ ...Id, description: 'Of a deposit or a withdrawal.' }),
  reference: Type.String(),
});
export type WalletTransfer = Static<typeof WalletTransfer>;
export const WalletTransferQuery = Type.Object({
  ...pageFields,
  account_id: WalletQuery.properties.account_id,
  reason: Type.Optional(OneOf(transferReasons)),
  from: Type.Optional(Time),
  to: Type.Optional(Time),
});
export type WalletTransferQuery = Static<typeof WalletTransferQuery>;
export const WalletTransferPage = Page(WalletTransfer);
export type WalletTransferPage = Static<typeof WalletTransferPage>;
