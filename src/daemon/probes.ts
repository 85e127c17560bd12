// The probes that an orchestrator calls: /livez and /healthz (does the process answer?) and /readyz (may it serve?).
import { type HttpReply, type HttpRequest, type HttpService, startHttpService, text } from './http-service.ts';
import type { Log } from './logger.ts';
import type { Check, Readiness } from './readiness.ts';

interface ProbesOptions {
  readonly host: string;
  /** 0 for any free one. */
  readonly port: number;
  readonly readiness: Readiness;
  readonly log: Log;
}

/** That this can be said is the check: a stuck event loop says nothing. */
const alive: readonly Check[] = [{ name: 'ping', state: 'ok', message: '' }];

/**
 * Starts the probes. Replies are 200 or 503; `ok`, or a line a check when one has something to say or `?verbose` is
 * asked; JSON for `Accept: application/json`.
 * @throws CodedError if it cannot listen.
 */
export function startProbes({ host, port, readiness, log }: ProbesOptions): Promise<HttpService> {
  return startHttpService({ name: 'health', host, port, log, routes: probeRoutes(readiness) });
}

/** The probes by path, for a server that answers other things too. */
export function probeRoutes(readiness: Readiness) {
  const live = (request: HttpRequest) => report(alive, request);
  const ready = (request: HttpRequest) => report(readiness.checks(), request);
  return { '/healthz': live, '/livez': live, '/readyz': ready };
}

function report(checks: readonly Check[], { path, query, accept }: HttpRequest): HttpReply {
  const passed = checks.every(({ state }) => state !== 'not-ready');
  const status = passed ? 200 : 503;
  if (accept.includes('application/json')) {
    const body = `${JSON.stringify({ status: passed ? 'ok' : 'not-ready', checks })}\n`;
    return { status, type: 'application/json', body };
  }
  if (!query.has('verbose') && checks.every(({ state }) => state === 'ok')) return text(status, 'ok\n');
  const summary = `${path.slice(1)} check ${passed ? 'passed' : 'failed'}`;
  return text(status, `${[...checks.map(formatCheck), summary].join('\n')}\n`);
}

function formatCheck({ name, state, message }: Check): string {
  if (state === 'not-ready') return `[-]${name} reason: ${message}`;
  return `[+]${name} ok${state === 'warning' ? ` warning: ${message}` : ''}`;
}
