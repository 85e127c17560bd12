// GET /health, as the SRS shows it: what the broker depends on, and whether that answers.
import { sql } from 'kysely';
import { type Static, Type } from 'typebox';
import { OneOf, Time } from '../../../api/fields.ts';
import { version } from '../../../daemon/version.ts';
import type { SharedRedis } from '../../redis.ts';
import type { Database } from '../../storage/database.ts';
import type { ApiServer } from './app.ts';

const states = ['connected', 'disconnected', 'not configured'] as const;
export type DependencyState = (typeof states)[number];

export const Health = Type.Object({
  status: OneOf(['healthy', 'degraded', 'unhealthy']),
  timestamp: Time,
  uptime_seconds: Type.Integer({ minimum: 0 }),
  version: Type.String(),
  dependencies: Type.Record(Type.String(), OneOf(states)),
});
export type Health = Static<typeof Health>;

export interface HealthOptions {
  readonly db: Database;
  readonly redis?: SharedRedis | undefined;
  readonly now: () => Date;
  /** Others; the broker works without them, though not as well. */
  readonly dependencies?: Readonly<Record<string, () => Promise<DependencyState>>>;
}

/** Milliseconds: a dependency that does not answer within is not connected; an answer is good for so long. */
const deadline = 2_000;
const goodFor = 1_000;

/** Registers `/health`. It is public and asked for often, so the dependencies are asked at most once a second. */
export function healthRoute(app: ApiServer, options: HealthOptions): void {
  const startedAt = options.now().getTime();
  let last: { at: number; health: Promise<Health> } | undefined;
  const current = () => {
    const at = options.now().getTime();
    if (!last || at - last.at >= goodFor || at < last.at) last = { at, health: look(options, startedAt) };
    return last.health;
  };
  app.get(
    '/health',
    {
      schema: {
        summary: 'Whether the broker and what it depends on work',
        tags: ['operation'],
        response: { 200: Health, 503: Health },
      },
      config: { action: 'public', limit: 'none' },
    },
    async (_request, reply) => {
      const health = await current();
      return reply.code(health.status === 'unhealthy' ? 503 : 200).send(health);
    },
  );
}

async function look({ db, redis, now, dependencies = {} }: HealthOptions, startedAt: number): Promise<Health> {
  const postgres = sql`select 1`.execute(db).then(() => true);
  const [postgresState, redisState, ...others] = await Promise.all([
    within(postgres.then(stateOf)),
    redis ? within(redis.answers().then(stateOf)) : ('not configured' as const),
    ...Object.values(dependencies).map((ask) => within(ask())),
  ]);
  const names = Object.keys(dependencies);
  const all = {
    postgres: postgresState,
    redis: redisState,
    ...Object.fromEntries(names.map((n, i) => [n, others[i]])),
  };
  const degraded = [redisState, ...others].includes('disconnected');
  const at = now();
  return {
    status: postgresState === 'disconnected' ? 'unhealthy' : degraded ? 'degraded' : 'healthy',
    timestamp: at.toISOString(),
    uptime_seconds: Math.max(0, Math.floor((at.getTime() - startedAt) / 1000)),
    version,
    dependencies: all as Health['dependencies'],
  };
}

function stateOf(answers: boolean): DependencyState {
  return answers ? 'connected' : 'disconnected';
}

async function within(state: Promise<DependencyState>): Promise<DependencyState> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<DependencyState>((resolve) => {
    timer = setTimeout(resolve, deadline, 'disconnected');
  });
  return Promise.race([state.catch((): DependencyState => 'disconnected'), late]).finally(() => clearTimeout(timer));
}
