// Who makes a request.
import type { Role } from '../storage/schema.ts';

/** What an API key may be used for; a session has all. `write` includes `read`. */
export type Scope = 'read' | 'write' | 'telemetry' | 'admin';

/** Somebody who has proved who they are. */
export interface Principal {
  /** How it was proved. */
  readonly kind: 'user' | 'api-key';
  /** The session or the key. */
  readonly credentialId: string;
  readonly userId: string;
  readonly accountId: string;
  readonly email: string;
  readonly role: Role;
  readonly scopes: readonly Scope[];
}
