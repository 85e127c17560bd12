// A line of the tenant matrix: how a route is called so that it works for the owner of the things it names.
import type { TestPrincipal } from '../../../fixtures/broker-http.ts';
import type { FullApi } from '../full-api.ts';

/** What a request is made of. */
export interface Call {
  /** By the names in the template. */
  readonly params?: Readonly<Record<string, string>>;
  /** With the question mark. */
  readonly query?: string;
  readonly body?: unknown;
}

export interface MatrixRow {
  /** Method and template, as registered. */
  readonly route: string;
  /** What the owner gets. */
  readonly success: number;
  /** Makes the things that the request names, as the owner's; nothing if it names none. */
  readonly call?: (api: FullApi, owner: TestPrincipal) => Promise<Call> | Call;
  /** The body names things of the owner: somebody else gets 404 for it, as for a path. */
  readonly ownedBody?: true;
  /** Why somebody else's path does not give 404, where it does not. */
  readonly notOwned?: string;
}
