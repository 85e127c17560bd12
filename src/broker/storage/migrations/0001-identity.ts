// Migration 1: accounts, users, sessions, API keys, signing keys, and the audit log with its chain.
import type { Migration } from '../migration.ts';

export const identity: Migration = {
  up: `
    create table accounts (
      id uuid primary key,
      name text not null check (name <> ''),
      created_at timestamptz not null
    );

    create table users (
      id uuid primary key,
      account_id uuid not null references accounts,
      email text not null check (email = lower(email)),
      name text not null,
      -- Absent for who signs in through an OIDC issuer alone.
      password_hash text,
      role text not null check (role in ('admin', 'provider', 'consumer', 'developer')),
      oidc_issuer text,
      oidc_subject text,
      created_at timestamptz not null,
      disabled_at timestamptz,
      unique (email),
      unique (oidc_issuer, oidc_subject),
      check ((oidc_issuer is null) = (oidc_subject is null))
    );
    create index users_account on users (account_id);

    create table sessions (
      id uuid primary key,
      user_id uuid not null references users on delete cascade,
      created_at timestamptz not null,
      expires_at timestamptz not null,
      revoked_at timestamptz
    );
    create index sessions_user on sessions (user_id);
    create index sessions_expiry on sessions (expires_at);

    create table api_keys (
      id uuid primary key,
      user_id uuid not null references users on delete cascade,
      name text not null,
      -- SHA-256 of the secret part, which has 256 random bits.
      hash bytea not null check (length(hash) = 32),
      scopes text[] not null,
      created_at timestamptz not null,
      expires_at timestamptz,
      revoked_at timestamptz,
      last_used_at timestamptz
    );
    create index api_keys_user on api_keys (user_id);

    -- Codes with which a command line fetches the session that a browser signed in for; gone once used.
    create table sign_in_codes (
      -- SHA-256 of the code.
      hash bytea primary key,
      user_id uuid not null references users on delete cascade,
      -- SHA-256 of the verifier that only who asked knows, as base64url.
      challenge text not null,
      expires_at timestamptz not null
    );

    -- What session tokens are signed with; shared by all processes that serve the API.
    create table signing_keys (
      id uuid primary key,
      private_jwk jsonb not null,
      created_at timestamptz not null,
      retired_at timestamptz
    );

    create table audit_log (
      seq bigint primary key,
      at timestamptz not null,
      actor_kind text not null check (actor_kind in ('user', 'api-key', 'node', 'system', 'anonymous')),
      actor_id text,
      -- Whose matter it is: owners of the account may read the entry.
      account_id uuid,
      action text not null,
      target_kind text,
      target_id text,
      outcome text not null check (outcome in ('allowed', 'refused', 'failed')),
      details jsonb not null,
      previous_hash bytea not null,
      hash bytea not null
    );
    create index audit_log_at on audit_log (at);
    create index audit_log_account on audit_log (account_id, seq);

    -- One row: the end of the chain, locked by whoever appends; and its beginning after old entries were removed.
    create table audit_chain (
      singleton boolean primary key default true check (singleton),
      last_seq bigint not null,
      last_hash bytea not null,
      removed_through_seq bigint not null,
      removed_through_hash bytea not null
    );
    insert into audit_chain values (true, 0, sha256('gpubroker audit'), 0, sha256('gpubroker audit'));

    create function refuse_audit_change() returns trigger language plpgsql as $$
    begin
      if tg_op = 'DELETE' and current_setting('gpubroker.audit_retention', true) = 'on' then return old; end if;
      raise exception 'the audit log is append-only';
    end $$;
    create trigger audit_log_append_only before update or delete on audit_log
      for each row execute function refuse_audit_change();
    create trigger audit_log_no_truncate before truncate on audit_log
      for each statement execute function refuse_audit_change();
  `,
  down: `
    drop table audit_log, audit_chain, signing_keys, sign_in_codes, api_keys, sessions, users, accounts;
    drop function refuse_audit_change;
  `,
};
