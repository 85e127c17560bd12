// Who has how much money, free and held back; where it goes is said in transfers.
import type { EngineEvent, LedgerAccount, Transfer, TransferReason } from './events.ts';

export interface Wallet {
  readonly available: number;
  readonly escrow: number;
}

/** What a transfer is about. */
export interface TransferCause {
  readonly orderId?: string | null;
  readonly tradeId?: string | null;
  /** Of deposits and withdrawals. */
  readonly id?: string | null;
  readonly reference?: string;
}

const empty: Wallet = { available: 0, escrow: 0 };
const outside: LedgerAccount = { accountId: null, kind: 'outside' };

/** The balances, in micro-dollars. Whoever takes money out has seen that it is there. */
export class Wallets {
  private readonly wallets = new Map<string, { available: number; escrow: number }>();
  private readonly emit: (event: EngineEvent) => void;

  constructor(emit: (event: EngineEvent) => void) {
    this.emit = emit;
  }

  of(accountId: string): Wallet {
    return this.wallets.get(accountId) ?? empty;
  }

  /** All that have money, in the order of their accounts' first. */
  *all(): Generator<[accountId: string, wallet: Wallet]> {
    for (const entry of this.wallets) if (entry[1].available !== 0 || entry[1].escrow !== 0) yield entry;
  }

  restore(accountId: string, { available, escrow }: Wallet): void {
    this.wallets.set(accountId, { available, escrow });
  }

  deposit(accountId: string, amount: number, cause: TransferCause): void {
    this.change(accountId, amount, 0);
    this.tell('deposit', outside, { accountId, kind: 'available' }, amount, cause);
  }

  withdraw(accountId: string, amount: number, cause: TransferCause): void {
    this.change(accountId, -amount, 0);
    this.tell('withdrawal', { accountId, kind: 'available' }, outside, amount, cause);
  }

  /** Holds back so much more of an account's money; less where it is negative; nothing where it is 0. */
  hold(accountId: string, amount: number, cause: TransferCause): void {
    this.change(accountId, -amount, amount);
    const available: LedgerAccount = { accountId, kind: 'available' };
    const escrow: LedgerAccount = { accountId, kind: 'escrow' };
    if (amount > 0) this.tell('escrow', available, escrow, amount, cause);
    if (amount < 0) this.tell('release', escrow, available, -amount, cause);
  }

  /** What was held back of the buyer's money goes to the seller. */
  capture(buyerId: string, sellerId: string, amount: number, cause: TransferCause): void {
    this.change(buyerId, 0, -amount);
    this.change(sellerId, amount, 0);
    this.tell(
      'capture',
      { accountId: buyerId, kind: 'escrow' },
      { accountId: sellerId, kind: 'available' },
      amount,
      cause,
    );
  }

  private change(accountId: string, available: number, escrow: number): void {
    let wallet = this.wallets.get(accountId);
    if (!wallet) {
      wallet = { available: 0, escrow: 0 };
      this.wallets.set(accountId, wallet);
    }
    wallet.available += available;
    wallet.escrow += escrow;
  }

  private tell(
    reason: TransferReason,
    from: LedgerAccount,
    to: LedgerAccount,
    amount: number,
    { orderId = null, tradeId = null, id = null, reference = '' }: TransferCause,
  ): void {
    const transfer: Transfer = { from, to, amount, reason, orderId, tradeId, id, reference };
    this.emit({ type: 'transfer', transfer });
  }
}
