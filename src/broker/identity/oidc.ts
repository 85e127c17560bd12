// Signing in at an OIDC issuer: authorization code with PKCE, state and nonce. What belongs to one way through stands in
// a signed cookie of the browser, so that any process can serve the callback.
//
//   start → cookie {state, nonce, verifier, cli?} → issuer → callback → session
//                                                              └ of a command line: code on loopback → exchange → session
import { createHash, randomBytes } from 'node:crypto';
import * as client from 'openid-client';
import type { OidcStartQuery, SessionView } from '../../api/identity.ts';
import { messageOf } from '../../daemon/errors.ts';
import type { Log } from '../../daemon/logger.ts';
import { invalid, Refusal } from '../refusal.ts';
import { sameHash } from './api-keys.ts';
import { appendAudit } from './audit.ts';
import { type OidcClaims, userOfClaims } from './oidc-users.ts';
import { type SignInServices, startSession } from './sign-in.ts';

/** How the issuer is asked. */
export interface OidcOptions {
  /** Its URL, as in its discovery document. */
  readonly issuer: string;
  readonly clientId: string;
  /** Absent for a public client, which PKCE alone protects. */
  readonly clientSecret?: string | undefined;
  /** Where browsers reach this broker: `https://broker.example`. */
  readonly redirectBase: string;
  /** The claim that lists roles, with dots for nested ones; absent where the issuer has no say in roles. */
  readonly rolesClaim?: string | undefined;
}

/** Seconds: an issuer that does not answer within is not there. */
const deadline = 5;
/** Milliseconds. */
const wayLength = 10 * 60 * 1000;
const codeLength = 60 * 1000;
const discoveredFor = 60 * 60 * 1000;
export const callbackPath = '/api/v2/auth/oidc/callback';

/** What the callback answers with: a session, or for a command line where the browser goes on to. */
export type SignedIn = { readonly session: SessionView } | { readonly redirect: string };

/** One way through, from start to callback. */
interface Way {
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
  readonly cli?: { readonly redirect: string; readonly challenge: string };
}

/** Sign-in at one issuer. */
export class Oidc {
  readonly #options: OidcOptions;
  readonly #services: SignInServices;
  readonly #log: Log;
  #discovered: { at: number; configuration: Promise<client.Configuration> } | undefined;

  constructor(options: OidcOptions, services: SignInServices, log: Log) {
    this.#options = options;
    this.#services = services;
    this.#log = log;
  }

  /** Whether cookies may be restricted to TLS. */
  get secure(): boolean {
    return this.#options.redirectBase.startsWith('https:');
  }

  /** Where the browser goes, and what it keeps meanwhile. @throws Refusal */
  async start({
    cli_redirect,
    challenge,
  }: OidcStartQuery): Promise<{ location: string; cookie: string; seconds: number }> {
    if ((cli_redirect === undefined) !== (challenge === undefined)) {
      throw invalid(cli_redirect === undefined ? 'query.cli_redirect' : 'query.challenge', null, 'both, or neither');
    }
    const cli =
      cli_redirect !== undefined && challenge !== undefined
        ? { redirect: loopback(cli_redirect), challenge }
        : undefined;
    const configuration = await this.#configuration();
    const way: Way = {
      state: client.randomState(),
      nonce: client.randomNonce(),
      verifier: client.randomPKCECodeVerifier(),
      ...(cli ? { cli } : {}),
    };
    const location = client.buildAuthorizationUrl(configuration, {
      redirect_uri: this.#redirectUri(),
      scope: 'openid email profile',
      code_challenge: await client.calculatePKCECodeChallenge(way.verifier),
      code_challenge_method: 'S256',
      state: way.state,
      nonce: way.nonce,
    });
    const { identity, now } = this.#services;
    const cookie = await identity.sessions.sign('gpubroker-sign-in', { ...way }, new Date(now().getTime() + wayLength));
    return { location: location.href, cookie, seconds: wayLength / 1000 };
  }

  /**
   * The issuer has sent the browser back.
   * @param query as the callback was called, without the question mark.
   * @throws Refusal unauthenticated if anything about it does not fit; unavailable if the issuer does not answer.
   */
  async callback(query: string, cookie: string | undefined, address: string): Promise<SignedIn> {
    const { db, identity, now } = this.#services;
    if (cookie === undefined) throw refused('this browser has not begun to sign in, or too long ago: begin again');
    const way = (await identity.sessions.verify('gpubroker-sign-in', cookie)) as unknown as Way;
    const claims = await this.#claims(query, way, address);
    return db.transaction().execute(async (trx) => {
      const userId = await userOfClaims(trx, now(), claims, this.#options.rolesClaim);
      if (!way.cli) return { session: await startSession(this.#services, trx, userId, { address, way: 'oidc' }) };
      const code = randomBytes(32).toString('base64url');
      const expiresAt = new Date(now().getTime() + codeLength);
      const row = { hash: hashOf(code), user_id: userId, challenge: way.cli.challenge, expires_at: expiresAt };
      await trx.insertInto('sign_in_codes').values(row).execute();
      const redirect = new URL(way.cli.redirect);
      redirect.searchParams.set('code', code);
      return { redirect: redirect.href };
    });
  }

  /** The session for a code and the verifier of its challenge; a code is good once. @throws Refusal unauthenticated */
  async exchange(code: string, verifier: string, address: string): Promise<SessionView> {
    const { db, now } = this.#services;
    // Gone also if the verifier is wrong: nobody gets a second guess.
    const row = await db.deleteFrom('sign_in_codes').where('hash', '=', hashOf(code)).returningAll().executeTakeFirst();
    const challenge = hashOf(verifier).toString('base64url');
    if (!row || row.expires_at <= now() || !sameHash(Buffer.from(challenge), Buffer.from(row.challenge))) {
      throw refused('the code is not good (any more): sign in again');
    }
    const details = { address, way: 'oidc, command line' };
    return db.transaction().execute((trx) => startSession(this.#services, trx, row.user_id, details));
  }

  async #claims(query: string, way: Way, address: string): Promise<OidcClaims> {
    const configuration = await this.#configuration();
    const url = new URL(`${this.#redirectUri()}?${query}`);
    try {
      const tokens = await client.authorizationCodeGrant(configuration, url, {
        expectedState: way.state,
        expectedNonce: way.nonce,
        pkceCodeVerifier: way.verifier,
        idTokenExpected: true,
      });
      const claims = tokens.claims();
      if (!claims) throw refused('the issuer sent no ID token');
      // Some issuers tell e-mail address and roles only here.
      const more = await client.fetchUserInfo(configuration, tokens.access_token, claims.sub).catch(() => ({}));
      return { ...more, ...claims };
    } catch (error) {
      if (error instanceof Refusal) throw error;
      const refusal = refusalOf(error);
      this.#log.info(
        { reason: messageOf(error), code: (error as { code?: unknown }).code },
        'sign-in with OIDC failed',
      );
      if (refusal.kind === 'unauthenticated') await this.#noteFailure(error, address);
      throw refusal;
    }
  }

  async #noteFailure(error: unknown, address: string): Promise<void> {
    const { db, now } = this.#services;
    const details = { address, way: 'oidc', reason: messageOf(error).slice(0, 200) };
    const actor = { kind: 'anonymous' as const };
    await appendAudit(db, now(), { actor, action: 'session.start', outcome: 'failed', details });
  }

  /** What the issuer says about itself; asked for again hourly, and after a failure. */
  async #configuration(): Promise<client.Configuration> {
    const at = this.#services.now().getTime();
    if (!this.#discovered || at - this.#discovered.at > discoveredFor) {
      this.#discovered = { at, configuration: this.#discover() };
    }
    try {
      return await this.#discovered.configuration;
    } catch (error) {
      this.#discovered = undefined;
      this.#log.warn({ reason: messageOf(error), issuer: this.#options.issuer }, 'the OIDC issuer cannot be asked');
      throw unavailable();
    }
  }

  #discover(): Promise<client.Configuration> {
    const { issuer, clientId, clientSecret } = this.#options;
    const url = new URL(issuer);
    const authentication = clientSecret === undefined ? client.None() : client.ClientSecretBasic(clientSecret);
    // Without TLS only on this machine, where nobody else listens.
    const insecure = url.protocol === 'http:' && isLoopback(url.hostname);
    // The ID token's signature is checked too, though it comes straight from the issuer.
    const execute = [client.enableNonRepudiationChecks, ...(insecure ? [client.allowInsecureRequests] : [])];
    return client.discovery(url, clientId, {}, authentication, { execute, timeout: deadline });
  }

  #redirectUri(): string {
    return new URL(callbackPath, this.#options.redirectBase).href;
  }
}

/** Whether it is our fault or theirs, or the issuer's. */
function refusalOf(error: unknown): Refusal {
  const status = (error as { status?: number }).status;
  const { name, code } = error as { name?: string; code?: string };
  const away =
    name === 'TimeoutError' || code === 'OAUTH_TIMEOUT' || (error instanceof TypeError && code === undefined);
  if (away || (status !== undefined && status >= 500)) return unavailable();
  return refused('the issuer’s answer does not fit: begin again');
}

/** A URL of a command line that waits on this machine. @throws Refusal */
function loopback(text: string): string {
  const url = URL.parse(text);
  const allowed = 'http://127.0.0.1:PORT/…, http://[::1]:PORT/… or http://localhost:PORT/…';
  if (url?.protocol !== 'http:' || !isLoopback(url.hostname) || url.username || url.password || url.hash) {
    throw invalid('query.cli_redirect', text.slice(0, 100), allowed);
  }
  return url.href;
}

function isLoopback(host: string): boolean {
  return ['127.0.0.1', '[::1]', 'localhost'].includes(host);
}

function hashOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function refused(text: string): Refusal {
  return new Refusal('unauthenticated', 'GPUB_UNAUTHENTICATED', text);
}

function unavailable(): Refusal {
  const text = 'the OIDC issuer does not answer now; sign in with a password, or try again in a moment';
  return new Refusal('unavailable', 'GPUB_UNAVAILABLE', text, { retryAfter: 5 });
}
