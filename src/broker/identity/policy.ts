// Who may do what: the one table of actions, and who sees whose things. Nothing else decides this.
//
// Two questions, asked one after the other:
// 1. May somebody of this role, with this key, do this at all? The table answers; no → 403.
// 2. Does the thing belong to them? `requireOwner` and `visibleAccount` answer; no → 404, as if it did not exist.

import { notFound } from '../refusal.ts';
import type { Role } from '../storage/schema.ts';
import type { Principal, Scope } from './principal.ts';

interface Rule {
  readonly roles: readonly Role[];
  /** What an API key must have been given; a session has every scope. */
  readonly scope: Scope;
  /** What it lets somebody do, and why these may. */
  readonly why: string;
}

const admin: readonly Role[] = ['admin'];
const sellers: readonly Role[] = ['admin', 'provider'];
const everyone: readonly Role[] = ['admin', 'provider', 'consumer', 'developer'];

const ownThings = 'Things of the own account; an admin sees all.';
const ownSupply = 'Supply is run by the provider whose it is, or by an admin.';
const platform = 'Concerns every account, so it is for who runs the platform.';

/** Every action of the API. Documented in docs/access.md, which a test compares with this. */
const table = {
  'session.read': { roles: everyone, scope: 'read', why: 'Who am I?' },
  'session.end': { roles: everyone, scope: 'read', why: 'Everybody may sign out.' },
  'password.change': { roles: everyone, scope: 'admin', why: 'Of oneself; a key of lower scope must not take over.' },
  'api-key.create': { roles: everyone, scope: 'admin', why: 'Of oneself, and never more than one may oneself.' },
  'api-key.read': { roles: everyone, scope: 'read', why: 'Of oneself; the secret is not shown again.' },
  'api-key.revoke': { roles: everyone, scope: 'admin', why: 'Of oneself.' },
  'user.create': { roles: admin, scope: 'admin', why: platform },
  'user.read': { roles: admin, scope: 'admin', why: platform },
  'user.update': { roles: admin, scope: 'admin', why: platform },
  'user.disable': { roles: admin, scope: 'admin', why: platform },
  'account.create': { roles: admin, scope: 'admin', why: platform },
  'account.read': { roles: admin, scope: 'admin', why: platform },
  'account.update': { roles: admin, scope: 'admin', why: platform },
  'audit.read': { roles: everyone, scope: 'admin', why: 'Entries of the own account; an admin reads all.' },
  'audit.verify': { roles: admin, scope: 'admin', why: 'The chain runs over every account.' },

  'provider.create': { roles: sellers, scope: 'write', why: 'Whoever registers a provider owns it.' },
  'provider.read': { roles: sellers, scope: 'read', why: ownThings },
  'provider.update': { roles: sellers, scope: 'write', why: ownSupply },
  'provider.delete': { roles: sellers, scope: 'write', why: ownSupply },
  'provider.verify': { roles: admin, scope: 'admin', why: 'Who may sell is judged by who runs the platform.' },
  'provider.suspend': { roles: admin, scope: 'admin', why: 'Who may sell is judged by who runs the platform.' },
  'cluster.create': { roles: sellers, scope: 'write', why: ownSupply },
  'cluster.read': { roles: sellers, scope: 'read', why: ownThings },
  'cluster.update': { roles: sellers, scope: 'write', why: ownSupply },
  'cluster.delete': { roles: sellers, scope: 'write', why: ownSupply },
  'node.create': { roles: sellers, scope: 'write', why: ownSupply },
  'node.read': { roles: sellers, scope: 'read', why: ownThings },
  'node.update': { roles: sellers, scope: 'write', why: ownSupply },
  'node.operate': {
    roles: sellers,
    scope: 'write',
    why: 'Cordon, uncordon, drain, decommission, pull of the inventory.',
  },
  'node.delete': { roles: sellers, scope: 'write', why: ownSupply },
  'enrolment-token.create': { roles: sellers, scope: 'write', why: 'Lets machines join a cluster of one’s own.' },
  'enrolment-token.read': { roles: sellers, scope: 'read', why: 'The secret is not shown again.' },
  'enrolment-token.revoke': { roles: sellers, scope: 'write', why: ownSupply },
  'gpu.read': { roles: everyone, scope: 'read', why: ownThings },
  'gpu.operate': { roles: sellers, scope: 'write', why: 'Maintenance on and off.' },
  'node.challenge': { roles: sellers, scope: 'write', why: 'Takes the free GPUs of a node for some seconds.' },
  'verification.read': {
    roles: sellers,
    scope: 'read',
    why: 'Names nodes and providers, so it is for whose they are; buyers say in an order which label they take.',
  },
  'inventory.read': {
    roles: everyone,
    scope: 'read',
    why: 'Search, snapshots and change stream over what one may see.',
  },
  'product.read': { roles: everyone, scope: 'read', why: 'What can be traded is public among users.' },
  'product.map': { roles: admin, scope: 'admin', why: 'Decides what unknown hardware is sold as.' },
  'pool.create': { roles: sellers, scope: 'write', why: ownSupply },
  'pool.read': { roles: sellers, scope: 'read', why: ownThings },
  'pool.update': { roles: sellers, scope: 'write', why: ownSupply },
  'pool.delete': { roles: sellers, scope: 'write', why: ownSupply },

  'incident.read': { roles: sellers, scope: 'read', why: ownThings },
  'incident.operate': { roles: sellers, scope: 'write', why: 'Acknowledge, comment, close.' },
  'alert-rule.create': { roles: sellers, scope: 'write', why: 'About incidents of one’s own.' },
  'alert-rule.read': { roles: sellers, scope: 'read', why: ownThings },
  'alert-rule.update': { roles: sellers, scope: 'write', why: ownThings },
  'alert-rule.delete': { roles: sellers, scope: 'write', why: ownThings },
  'alert-rule.test': { roles: sellers, scope: 'write', why: 'Sends a trial message to one’s own channels.' },
  'alert.read': { roles: sellers, scope: 'read', why: ownThings },

  'telemetry.write': { roles: sellers, scope: 'telemetry', why: 'Figures of one’s own nodes.' },
  'telemetry.read': { roles: sellers, scope: 'read', why: ownThings },

  'order.create': { roles: everyone, scope: 'write', why: 'Everybody may buy; an ask needs a node of one’s own.' },
  'order.preview': { roles: everyone, scope: 'read', why: 'Changes nothing.' },
  'order.read': { roles: everyone, scope: 'read', why: ownThings },
  'order.update': { roles: everyone, scope: 'write', why: ownThings },
  'order.cancel': { roles: everyone, scope: 'write', why: ownThings },
  'order.match': { roles: admin, scope: 'admin', why: platform },
  'trade.read': { roles: everyone, scope: 'read', why: 'Trades that one is a party of; an admin sees all.' },
  'trade.settle': { roles: admin, scope: 'admin', why: 'Moves money between accounts.' },
  'trade.end': { roles: admin, scope: 'admin', why: 'Takes GPUs from who bought them.' },
  'market.read': { roles: everyone, scope: 'read', why: 'Depth, tape and auctions name nobody.' },
  'market.operate': { roles: admin, scope: 'admin', why: 'Halt, resume, kill switch, and how the market stands.' },
  'product.update': { roles: admin, scope: 'admin', why: 'How a product is traded concerns everybody.' },
  'pricing.read': {
    roles: everyone,
    scope: 'read',
    why: 'Spot prices, estimates and the index are public among users.',
  },
  'node-pricing.read': { roles: sellers, scope: 'read', why: ownThings },
  'node-pricing.update': { roles: sellers, scope: 'write', why: ownSupply },
  'node-pricing.delete': { roles: sellers, scope: 'write', why: ownSupply },
  'wallet.read': { roles: everyone, scope: 'read', why: ownThings },
  'wallet.deposit': { roles: admin, scope: 'admin', why: 'Credits money that came in elsewhere.' },
  'wallet.withdraw': {
    roles: everyone,
    scope: 'admin',
    why: 'Of the own account; a key that trades must not take money out.',
  },

  'job.read': { roles: admin, scope: 'admin', why: platform },
  'job.run': { roles: admin, scope: 'admin', why: platform },
} as const satisfies Record<string, Rule>;

export type Action = keyof typeof table;

/** The table, for tests and the documentation. */
export const policy: Readonly<Record<Action, Rule>> = table;

/** What each scope also includes. */
const included: Readonly<Record<Scope, readonly Scope[]>> = {
  read: ['read'],
  write: ['write', 'read', 'telemetry'],
  telemetry: ['telemetry'],
  admin: ['admin', 'write', 'read', 'telemetry'],
};

/** The scopes of a session. */
export const allScopes: readonly Scope[] = ['read', 'write', 'telemetry', 'admin'];

/** Whether the role may do this, and the credential was given the scope for it. */
export function may(principal: Pick<Principal, 'role' | 'scopes'>, action: Action): boolean {
  const rule = policy[action];
  return rule.roles.includes(principal.role) && hasScope(principal.scopes, rule.scope);
}

/** Whether scopes include one. */
export function hasScope(scopes: readonly Scope[], needed: Scope): boolean {
  return scopes.some((scope) => included[scope].includes(needed));
}

/** The account whose things alone this one may see; undefined for an admin, who sees all. */
export function visibleAccount(principal: Pick<Principal, 'role' | 'accountId'>): string | undefined {
  return principal.role === 'admin' ? undefined : principal.accountId;
}

/**
 * Lets owners and admins pass.
 * @throws Refusal not-found for things of others, so that whether an id exists is never told.
 */
export function requireOwner(
  principal: Pick<Principal, 'role' | 'accountId'>,
  accountId: string | undefined | null,
  what: string,
  id: string,
): void {
  const visible = visibleAccount(principal);
  if (accountId == null || (visible !== undefined && visible !== accountId)) throw notFound(what, id);
}

/** What somebody is told who may not do this. */
export function whyNot(principal: Pick<Principal, 'role' | 'scopes'>, action: Action): string {
  const { roles, scope } = policy[action];
  return roles.includes(principal.role)
    ? `${action} needs an API key with the scope ${scope}`
    : `${action} is for the roles ${roles.join(', ')}`;
}
