// The typed client of the HTTP API: one method that calls a route, one that walks its pages, one that follows a stream.
import { setTimeout as sleep } from 'node:timers/promises';
import { withoutSilence } from './idle.ts';
import { ApiProblem, BrokerUnreachable, reasonOf } from './problem.ts';
import type { Routes } from './routes.ts';
import { type ServerEvent, serverEvents } from './server-events.ts';

export { ApiProblem, BrokerUnreachable } from './problem.ts';
export type { Routes } from './routes.ts';
export type { ServerEvent } from './server-events.ts';

export interface ClientOptions {
  /** Of the broker, for instance `https://broker.example:10355`. */
  readonly url: string;
  /** An API key or a session's token. */
  readonly token?: string | undefined;
  /** Longest wait for an answer, in milliseconds; 30 s by default. */
  readonly timeout?: number;
  /** For tests and proxies; the global one by default. */
  readonly fetch?: typeof fetch;
}

export type Route = keyof Routes;
type RouteWithPages = {
  [R in Route]: Routes[R] extends { response: { items: readonly unknown[] } } ? R : never;
}[Route];

/** The names between braces in a path. */
type Placeholders<Path extends string> = Path extends `${string}{${infer Name}}${infer Rest}`
  ? Name | Placeholders<Rest>
  : never;

/** What a route takes besides its body and query: what stands in its path. */
type Params<R extends Route> = [Placeholders<R>] extends [never]
  ? { readonly params?: undefined }
  : { readonly params: Readonly<Record<Placeholders<R>, string>> };

/** What a write may be sent with besides. */
interface Repeatable {
  /** Named so, it is done once however often it is sent: sent as `Idempotency-Key`, for routes that take one. */
  readonly key?: string | undefined;
}

export type Input<R extends Route> = Repeatable &
  Params<R> &
  (Routes[R] extends { query: infer Query } ? { readonly query?: Query } : { readonly query?: undefined }) &
  (Routes[R] extends { body: infer Body } ? { readonly body: Body } : { readonly body?: undefined });

/** An input of whatever route. */
interface Plain extends Repeatable {
  readonly params?: Record<string, string>;
  readonly query?: object;
  readonly body?: unknown;
}

/** How often a GET, or a write with a key, is tried, and the longest wait before the first repetition, in milliseconds. */
const tries = 3;
const firstBackoff = 200;
/** A stream in which nothing came for so long is dead, for the broker sends a beat every 15 s; in milliseconds. */
const longestSilence = 60_000;
/** A broker that asks for more patience than this is not waited for. */
const longestWait = 5_000;

export interface Client {
  /**
   * Calls a route. A GET or a write with a key that meets an unreachable or overloaded broker is tried again; nothing
   * else is.
   * @throws ApiProblem when the broker refuses; BrokerUnreachable when nobody answers.
   */
  call<R extends Route>(route: R, input: Input<R>): Promise<Routes[R]['response']>;
  /** Every item of all pages, page by page. */
  all<R extends RouteWithPages>(route: R, input: Input<R>): AsyncGenerator<Routes[R]['response']['items'][number]>;
  /**
   * Events as the broker sends them, until the stream ends or `signal` is aborted. One without data only says how far
   * the stream is: come back with its id.
   * @throws ApiProblem when the broker refuses; BrokerUnreachable when nobody answers or the stream breaks or goes silent.
   */
  follow(path: string, signal: AbortSignal, lastId?: string): AsyncGenerator<ServerEvent>;
}

/** A client of one broker for one caller. */
export function createClient(options: ClientOptions): Client {
  const { url, token, timeout = 30_000, fetch: send = fetch } = options;
  const base = `${url.replace(/\/+$/, '')}/api/v2`;
  const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` };

  async function request(method: string, target: string, body: unknown, key?: string): Promise<Response> {
    try {
      return await send(target, {
        method,
        headers: {
          accept: 'application/json, application/problem+json',
          ...authorization,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...(key === undefined ? {} : { 'idempotency-key': key }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        redirect: 'error',
        signal: AbortSignal.timeout(timeout),
      });
    } catch (error) {
      throw new BrokerUnreachable(url, reasonOf(error), error);
    }
  }

  /** An answer that breaks off is no answer. */
  function answered(response: Response): Promise<unknown> {
    return answerOf(response).catch((error: unknown) => new BrokerUnreachable(url, reasonOf(error), error));
  }

  async function call<R extends Route>(route: R, input: Input<R>): Promise<Routes[R]['response']> {
    const [method = '', path = ''] = route.split(' ');
    const { params, query, body, key } = input as Plain;
    const target = base + fill(path, params ?? {}) + searchOf(query ?? {});
    for (let attempt = 1; ; attempt++) {
      const outcome = await request(method, target, body, key).then(answered, (error: unknown) => error);
      if (!(outcome instanceof Error)) return outcome as Routes[R]['response'];
      const harmless = method === 'GET' || key !== undefined;
      const wait = harmless && attempt < tries ? patienceWith(outcome, attempt) : undefined;
      if (wait === undefined) throw outcome;
      await sleep(wait);
    }
  }

  async function* all<R extends RouteWithPages>(route: R, input: Input<R>) {
    let cursor: string | undefined;
    do {
      const query = { ...(input.query as object | undefined), ...(cursor === undefined ? {} : { cursor }) };
      const page = await call(route, { ...input, query } as Input<R>);
      yield* page.items;
      cursor = (page as { next_cursor?: string | null }).next_cursor ?? undefined;
    } while (cursor !== undefined);
  }

  async function* follow(path: string, signal: AbortSignal, lastId?: string) {
    const resume = lastId === undefined ? {} : { 'last-event-id': lastId };
    const headers = { accept: 'text/event-stream', ...authorization, ...resume };
    const silence = withoutSilence(longestSilence, timeout);
    const listening = AbortSignal.any([signal, silence.signal]);
    try {
      const response = await send(base + path, { headers, redirect: 'error', signal: listening });
      if (!response.ok || response.body === null) throw await answered(response);
      yield* serverEvents(response.body, silence.heard);
    } catch (error) {
      throw error instanceof ApiProblem || signal.aborted ? error : new BrokerUnreachable(url, reasonOf(error), error);
    } finally {
      silence.stop();
    }
  }

  return { call, all, follow };
}

/** What the broker answered; a problem is returned, not thrown. */
async function answerOf(response: Response): Promise<unknown> {
  return response.ok ? bodyOf(response) : problemOf(response);
}

/** Undefined where it is no JSON. */
async function bodyOf(response: Response): Promise<unknown> {
  const text = await response.text();
  const isJson = /^application\/(?:problem\+)?json\b/.test(response.headers.get('content-type') ?? '');
  return isJson && text !== '' ? JSON.parse(text) : undefined;
}

/** What a refused request was answered. */
export async function problemOf(response: Response): Promise<ApiProblem> {
  const body = await bodyOf(response);
  const seconds = Number(response.headers.get('retry-after') ?? Number.NaN);
  const problem = typeof body === 'object' && body !== null ? (body as Record<string, unknown>) : {};
  return new ApiProblem(response.status, problem, Number.isFinite(seconds) ? seconds : undefined);
}

/** Milliseconds until the request may be repeated; undefined where that would not help. */
function patienceWith(error: Error, attempt: number): number | undefined {
  const wait = Math.random() * firstBackoff * 2 ** attempt;
  if (error instanceof BrokerUnreachable) return wait;
  if (!(error instanceof ApiProblem) || ![429, 502, 503, 504].includes(error.status)) return undefined;
  const asked = (error.retryAfter ?? 0) * 1000;
  return asked > longestWait ? undefined : asked + wait;
}

function fill(path: string, params: Readonly<Record<string, string>>): string {
  return path.replace(/\{(\w+)\}/g, (_placeholder, name: string) => encodeURIComponent(params[name] ?? ''));
}

function searchOf(query: object): string {
  const pairs = Object.entries(query)
    .filter(([, value]) => value !== undefined)
    .flatMap(([name, value]) =>
      (Array.isArray(value) ? value : [value]).map((one): [string, string] => [name, String(one)]),
    );
  return pairs.length === 0 ? '' : `?${new URLSearchParams(pairs)}`;
}
