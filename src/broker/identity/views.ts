// How users, accounts and keys are shown.
import type { Selectable } from 'kysely';
import type { AccountView, ApiKeyView, UserView } from '../../api/identity.ts';
import type { Schema } from '../storage/schema.ts';
import type { Scope } from './principal.ts';

/** A user, without the hash of the password. */
export function userView(row: Selectable<Schema['users']>): UserView {
  return {
    id: row.id,
    account_id: row.account_id,
    email: row.email,
    name: row.name,
    role: row.role,
    has_password: row.password_hash !== null,
    oidc_issuer: row.oidc_issuer,
    created_at: row.created_at.toISOString(),
    disabled_at: row.disabled_at?.toISOString() ?? null,
  };
}

export function accountView(row: Selectable<Schema['accounts']>): AccountView {
  return { id: row.id, name: row.name, created_at: row.created_at.toISOString() };
}

/** A key, without its secret. */
export function apiKeyView(row: Selectable<Schema['api_keys']>): ApiKeyView {
  return {
    id: row.id,
    name: row.name,
    scopes: row.scopes as Scope[],
    created_at: row.created_at.toISOString(),
    expires_at: row.expires_at?.toISOString() ?? null,
    revoked_at: row.revoked_at?.toISOString() ?? null,
    last_used_at: row.last_used_at?.toISOString() ?? null,
  };
}
