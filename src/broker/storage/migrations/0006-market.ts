// Migration 6: the market. Everything here is written by the commit pipeline alone, a batch a transaction; see commit/.
import type { Migration } from '../migration.ts';

export const market: Migration = {
  up: `
    -- One row: where the journal stands. A batch moves it on, from the place that its writer knows, in its own epoch.
    create table market_state (
      singleton boolean primary key default true check (singleton),
      epoch bigint not null,
      -- Raised by whoever begins to write: what an earlier writer has sent and is not stored yet fails then.
      writer bigint not null,
      seq bigint not null,
      -- Of the last event in market_events.
      event_seq bigint not null,
      -- Time of the last command, in milliseconds since 1970.
      at bigint not null,
      -- Counters of the engine: see engine/contract.ts.
      trades bigint not null,
      priority bigint not null,
      ids bigint not null,
      -- Of the journal's last row.
      hash bytea not null
    );
    insert into market_state values (true, 0, 0, 0, 0, 0, 0, 0, 0, sha256(''));

    -- Every command that changed something, in order: applied again, they make the same state.
    create table market_journal (
      seq bigint primary key,
      at bigint not null,
      epoch bigint not null,
      account_id uuid,
      user_id uuid,
      -- As text: the hash is over every character.
      command json not null,
      -- What it was answered with, where it had a key.
      result json,
      -- Of a request that had a key: whose key, and which request.
      key_account_id uuid,
      idempotency_key text,
      digest bytea,
      -- SHA-256 over the hash before it and this row: see commit/chain.ts.
      hash bytea not null
    );
    create unique index market_journal_keys on market_journal (key_account_id, idempotency_key)
      where idempotency_key is not null;

    -- The outbox: what others are told, by topic, in the order of commits.
    create table market_events (
      seq bigint primary key,
      at timestamptz not null,
      topic text not null,
      -- Whose business it is besides everybody's; null where it is public or the platform's.
      account_id uuid,
      data json not null
    );
    create index market_events_topic on market_events (topic, at);

    -- Ends a batch whose writer does not lead any more, or does not know where the journal stands.
    create function market_fence(moved bigint) returns void language plpgsql as $$
    begin
      if moved <> 1 then
        raise exception 'another writer has moved the market on' using errcode = 'GPM01';
      end if;
    end $$;

    create table product_states (
      product text primary key,
      rules json not null,
      halt_reason text,
      last_price bigint
    );

    -- Accounts that may not order; the nil UUID stands for everybody.
    create table killed_accounts (account_id uuid primary key, reason text not null);

    create table orders (
      id uuid primary key,
      account_id uuid not null,
      user_id uuid,
      client_order_id text,
      side text not null check (side in ('bid', 'ask')),
      product text not null,
      quantity integer not null check (quantity >= 0),
      open integer not null check (open >= 0),
      filled integer not null check (filled >= 0),
      -- Micro-dollars per GPU-hour.
      price bigint not null check (price > 0),
      duration_hours integer not null,
      time_in_force text not null,
      expires_at timestamptz,
      all_or_none boolean not null,
      min_quantity integer not null,
      placement text not null,
      region text,
      min_score smallint not null,
      min_label text,
      node_id uuid,
      interruptible boolean not null,
      standing boolean not null,
      status text not null
        check (status in ('pending', 'partial', 'filled', 'cancelled', 'expired', 'rejected')),
      reason text not null,
      escrow bigint not null check (escrow >= 0),
      priority bigint not null,
      created_at timestamptz not null,
      updated_at timestamptz not null,
      check (filled + open <= quantity)
    ) with (fillfactor = 85);
    create index orders_account on orders (account_id, id);
    create index orders_open on orders (priority) where status in ('pending', 'partial');

    create table standing_asks (
      order_id uuid primary key references orders,
      node_id uuid not null,
      product text not null,
      repriced_at bigint not null,
      unique (node_id, product)
    );

    create table trades (
      id uuid primary key,
      number bigint not null,
      product text not null,
      bid_order_id uuid not null,
      ask_order_id uuid not null,
      buyer_account_id uuid not null,
      seller_account_id uuid not null,
      node_id uuid not null,
      cluster_id uuid not null,
      quantity integer not null check (quantity > 0),
      price bigint not null check (price > 0),
      bid_price bigint not null check (bid_price >= price),
      duration_hours integer not null,
      executed_at timestamptz not null,
      ends_at timestamptz not null,
      interruptible boolean not null,
      auction_id uuid,
      escrow bigint not null check (escrow >= 0),
      settled_seconds bigint not null,
      captured bigint not null,
      ended_at timestamptz,
      end_reason text not null,
      reclaim_at timestamptz
    );
    create index trades_product on trades (product, number);
    create index trades_bid on trades (bid_order_id);
    create index trades_ask on trades (ask_order_id);
    create index trades_buyer on trades (buyer_account_id, id);
    create index trades_seller on trades (seller_account_id, id);
    create index trades_held on trades (number) where ended_at is null;

    -- Which GPUs a trade holds. No GPU is held twice: the index says so, besides the engine.
    create table holds (
      trade_id uuid not null,
      gpu_id uuid not null,
      position smallint not null,
      ended_at timestamptz,
      primary key (trade_id, gpu_id)
    );
    create unique index holds_gpu on holds (gpu_id) where ended_at is null;

    -- What the engine knows of nodes: as JSON of engine/supply.ts.
    create table node_supply (node_id uuid primary key, supply json not null);
    create table node_pricing (node_id uuid primary key, pricing json not null);

    create table auctions (
      id uuid primary key,
      product text not null,
      cleared_at timestamptz not null,
      price bigint,
      volume bigint not null,
      bid_quantity bigint not null,
      ask_quantity bigint not null,
      imbalance bigint not null
    );
    create index auctions_product on auctions (product, cleared_at);

    create table price_index (
      product text not null,
      starts_at timestamptz not null,
      revision integer not null,
      final boolean not null,
      trades bigint not null,
      gpus bigint not null,
      gpu_hours bigint not null,
      volume bigint not null,
      vwap bigint not null,
      min_price bigint not null,
      max_price bigint not null,
      stddev bigint not null,
      published_at timestamptz not null,
      primary key (product, starts_at, revision)
    );

    -- The ledger. Every row moves money from one account to another, so debits equal credits by themselves; balances
    -- follow from the rows by the trigger alone, and nobody changes a row.
    create table ledger_accounts (
      -- The nil UUID: the outside, where deposits come from.
      account_id uuid not null,
      kind text not null check (kind in ('available', 'escrow', 'outside')),
      balance bigint not null check (balance >= 0 or kind = 'outside'),
      primary key (account_id, kind)
    );
    create table ledger_transfers (
      -- Of the command in the market's journal, and its place among that command's transfers.
      seq bigint not null,
      position integer not null,
      at timestamptz not null,
      from_account uuid not null,
      from_kind text not null,
      to_account uuid not null,
      to_kind text not null,
      amount bigint not null check (amount > 0),
      reason text not null check (reason in ('deposit', 'withdrawal', 'escrow', 'release', 'capture')),
      order_id uuid,
      trade_id uuid,
      -- Of deposits and withdrawals.
      id uuid,
      reference text not null default '',
      primary key (seq, position),
      check ((from_account, from_kind) <> (to_account, to_kind))
    );
    create index ledger_transfers_outside on ledger_transfers (id) where id is not null;
    create index ledger_transfers_trade on ledger_transfers (trade_id) where reason = 'capture';
    -- What an account's list of transfers reads; most rows stay within one account, and stand in the first alone.
    create index ledger_transfers_from on ledger_transfers (from_account, seq, position);
    create index ledger_transfers_to on ledger_transfers (to_account, seq, position) where to_account <> from_account;

    create function ledger_apply() returns trigger language plpgsql as $$
    begin
      -- First those that are new: a row that may not be negative is checked before it meets the one that is there.
      insert into ledger_accounts (account_id, kind, balance)
      select from_account, from_kind, 0 from added union select to_account, to_kind, 0 from added
      on conflict do nothing;
      update ledger_accounts as account set balance = account.balance + moved.amount
      from (
        select entry.account_id, entry.kind, sum(entry.amount)::bigint as amount from (
          select from_account as account_id, from_kind as kind, -amount as amount from added
          union all
          select to_account, to_kind, amount from added
        ) as entry
        group by 1, 2
      ) as moved
      where account.account_id = moved.account_id and account.kind = moved.kind;
      return null;
    end $$;
    create trigger ledger_apply after insert on ledger_transfers
      referencing new table as added for each statement execute function ledger_apply();
    create function ledger_fixed() returns trigger language plpgsql as $$
    begin
      raise exception 'rows of the ledger are never changed';
    end $$;
    create trigger ledger_fixed before update or delete or truncate on ledger_transfers
      for each statement execute function ledger_fixed();

    -- The engine's state at a place of the journal, as JSON lines, compressed: where a replay may begin.
    create table market_snapshots (
      seq bigint primary key,
      at timestamptz not null,
      state_hash text not null,
      -- Of the journal's row there.
      journal_hash bytea not null,
      records bytea not null
    );
  `,
  down: `
    drop table market_snapshots, ledger_transfers, ledger_accounts, price_index, auctions, node_pricing, node_supply,
      holds, trades, standing_asks, orders, killed_accounts, product_states, market_events, market_journal, market_state;
    drop function ledger_apply, ledger_fixed, market_fence;
  `,
};
