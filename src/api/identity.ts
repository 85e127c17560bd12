// Accounts, users, sessions and API keys, as the API shows them.
import { type Static, Type } from 'typebox';
import { Id, Name, Nullable, OneOf, Time } from './fields.ts';
import { Page, pageFields } from './lists.ts';

export const roles = ['admin', 'provider', 'consumer', 'developer'] as const;
export const scopes = ['read', 'write', 'telemetry', 'admin'] as const;
export const passwordLength = { min: 12, max: 256 };

const Email = Type.String({ format: 'email', maxLength: 254, examples: ['ada@example.org'] });
const NewPassword = Type.String({ minLength: passwordLength.min, maxLength: passwordLength.max });
/** A password as given to sign in: whatever was allowed when it was set. */
const GivenPassword = Type.String({ minLength: 1, maxLength: 1024 });

export const UserView = Type.Object({
  id: Id,
  account_id: Id,
  email: Type.String(),
  name: Type.String(),
  role: OneOf(roles),
  has_password: Type.Boolean(),
  oidc_issuer: Nullable(Type.String()),
  created_at: Time,
  disabled_at: Nullable(Type.String()),
});
export type UserView = Static<typeof UserView>;

export const AccountView = Type.Object({ id: Id, name: Type.String(), created_at: Time });
export type AccountView = Static<typeof AccountView>;

export const Login = Type.Object({ email: Email, password: GivenPassword });
export type Login = Static<typeof Login>;

export const SessionView = Type.Object({
  access_token: Type.String(),
  token_type: Type.Literal('Bearer'),
  expires_at: Time,
  user: UserView,
});
export type SessionView = Static<typeof SessionView>;

export const Me = Type.Object({
  user: UserView,
  account: AccountView,
  credential: Type.Object({ kind: OneOf(['user', 'api-key']), id: Id, scopes: Type.Array(OneOf(scopes)) }),
});
export type Me = Static<typeof Me>;

export const PasswordChange = Type.Object({
  current_password: Type.Optional(GivenPassword),
  new_password: NewPassword,
});
export type PasswordChange = Static<typeof PasswordChange>;

export const NewApiKey = Type.Object({
  name: Name,
  scopes: Type.Array(OneOf(scopes), { minItems: 1, maxItems: scopes.length, uniqueItems: true }),
  expires_at: Type.Optional(Time),
});
export type NewApiKey = Static<typeof NewApiKey>;

const apiKeyFields = {
  id: Id,
  name: Type.String(),
  scopes: Type.Array(OneOf(scopes)),
  created_at: Time,
  expires_at: Nullable(Type.String()),
  revoked_at: Nullable(Type.String()),
  last_used_at: Nullable(Type.String()),
};
export const ApiKeyView = Type.Object(apiKeyFields);
export type ApiKeyView = Static<typeof ApiKeyView>;
/** With the key itself, which is told once. */
export const IssuedApiKey = Type.Object({ ...apiKeyFields, key: Type.String() });
export type IssuedApiKey = Static<typeof IssuedApiKey>;
export const ApiKeyPage = Page(ApiKeyView);

export const NewAccount = Type.Object({ name: Name });
export type NewAccount = Static<typeof NewAccount>;
export const AccountPage = Page(AccountView);

export const NewUser = Type.Object({
  account_id: Id,
  email: Email,
  name: Name,
  role: OneOf(roles),
  password: Type.Optional(NewPassword),
});
export type NewUser = Static<typeof NewUser>;

export const UserChange = Type.Object(
  {
    name: Type.Optional(Name),
    role: Type.Optional(OneOf(roles)),
    password: Type.Optional(NewPassword),
    disabled: Type.Optional(Type.Boolean()),
  },
  { minProperties: 1 },
);
export type UserChange = Static<typeof UserChange>;

export const UserQuery = Type.Object({ ...pageFields, account_id: Type.Optional(Id) });
export type UserQuery = Static<typeof UserQuery>;
export const UserPage = Page(UserView);

export const OidcStartQuery = Type.Object({
  cli_redirect: Type.Optional(Type.String({ minLength: 1, maxLength: 500, description: 'A loopback URL.' })),
  challenge: Type.Optional(
    Type.String({ pattern: '^[A-Za-z0-9_-]{43}$', description: 'base64url(SHA-256(verifier)); with cli_redirect.' }),
  ),
});
export type OidcStartQuery = Static<typeof OidcStartQuery>;

export const OidcExchange = Type.Object({
  code: Type.String({ pattern: '^[A-Za-z0-9_-]{43}$' }),
  verifier: Type.String({ pattern: '^[A-Za-z0-9_.~-]{43,128}$' }),
});
export type OidcExchange = Static<typeof OidcExchange>;
