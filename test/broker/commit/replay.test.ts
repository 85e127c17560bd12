// The journal applied again makes the state that is stored: on a market as it might be used, with snapshots on the way.
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { verifyLedger } from '../../../src/broker/billing/ledger.ts';
import { verifyJournal } from '../../../src/broker/commit/journal-verification.ts';
import { replayJournal } from '../../../src/broker/commit/replay.ts';
import { snapshotHeads, unpackRecords } from '../../../src/broker/commit/snapshot-store.ts';
import { takeSnapshot } from '../../../src/broker/commit/snapshots.ts';
import type { Command } from '../../../src/broker/engine/commands.ts';
import { createEngine } from '../../../src/broker/engine/engine.ts';
import { newId } from '../../../src/broker/ids.ts';
import { seeded } from '../../fixtures/live-market.ts';
import { createTestPipeline, hashOf, startTestMarket, type TestMarket } from '../../fixtures/market.ts';
import { MarketScript } from '../../fixtures/market-script.ts';
import { soaking } from '../../properties.ts';

const start = Date.UTC(2026, 0, 5, 9);

/** A market with a clock of its own, and so many commands done; a few hundred at a time, as from many callers. */
class UsedMarket {
  readonly market: TestMarket;
  readonly #clock: { now: number };
  readonly #random = seeded();
  readonly #script = new MarketScript(this.#random);
  refused = 0;

  private constructor(market: TestMarket, clock: { now: number }) {
    this.market = market;
    this.#clock = clock;
  }

  static async open(): Promise<UsedMarket> {
    const clock = { now: start };
    const used = new UsedMarket(await startTestMarket({ now: () => clock.now }), clock);
    for (const command of used.#script.beginning()) await used.market.submit(command);
    return used;
  }

  async use(commands: number): Promise<void> {
    for (let left = commands; left > 0; left -= 200) {
      // Before them: what is due then is done with them, and nothing is when all are done.
      this.#clock.now += Math.floor(this.#random() * 120_000);
      const batch = Array.from({ length: Math.min(left, 200) }, () => this.#script.next(this.#clock.now));
      await Promise.all(batch.map((command) => this.#submit(command)));
    }
  }

  async #submit(command: Command): Promise<void> {
    const key =
      this.#random() < 0.2 ? { accountId: newId(), key: `key ${this.#random()}`, digest: '00'.repeat(32) } : undefined;
    try {
      this.#script.heard(await this.market.pipeline.submit({ command, actor: null, key }));
    } catch {
      // Many commands of the script fit nothing; which ones does not matter here.
      this.refused++;
    }
  }
}

test(
  'a replay from the beginning, and one from each snapshot, end in the state of the tables',
  async () => {
    const used = await UsedMarket.open();
    const { database, pipeline } = used.market;
    const commands = soaking ? 1_000_000 : 4_000;
    const taken: number[] = [];
    for (let part = 0; part < 4; part++) {
      await used.use(commands / 4);
      if (part < 3) taken.push((await takeSnapshot(database)).seq);
    }
    const heads = await snapshotHeads(database.db);
    expect(heads.map(({ seq }) => seq)).toEqual(taken);
    const live = await hashOf(pipeline);
    const from = await Promise.all(
      (['oldest', 'newest', taken[1]] as const).map((place) => replayJournal(database, { from: place ?? 0 })),
    );
    expect(from.map(({ problems }) => problems)).toEqual([[], [], []]);
    const [whole, last, middle] = from;
    expect(whole).toMatchObject({ equal: true, after: 0, seq: pipeline.seq, commands: pipeline.seq, snapshots: 3 });
    expect(whole?.tablesHash).toBe(whole?.stateHash);
    expect(whole?.answers).toBeGreaterThan(commands / 20);
    expect([last?.after, middle?.after]).toEqual([taken[2], taken[1]]);
    expect(new Set([live, ...from.map(({ stateHash }) => stateHash)]).size).toBe(1);
    expect(used.refused).toBeLessThan(commands * 0.7);
    expect(await verifyJournal(database.db)).toMatchObject({ sound: true, rows: pipeline.seq, snapshots: 3 });
    expect((await verifyLedger(database.db)).checks.filter(({ wrong }) => wrong > 0)).toEqual([]);
  },
  soaking ? 1_800_000 : 120_000,
);

test('a snapshot holds the state as it was, and a market that begins with it goes on as the other does', async () => {
  const used = await UsedMarket.open();
  const { database } = used.market;
  await used.use(600);
  const taken = await takeSnapshot(database);
  expect(taken.isNew).toBe(true);
  expect(await takeSnapshot(database)).toEqual({ ...taken, isNew: false });
  const engine = createEngine();
  for await (const record of unpackRecords(database.db, taken.seq)) engine.restore(record);
  expect(engine.stateHash()).toBe(taken.stateHash);
  await used.use(600);
  const until = taken.seq + 100;
  expect(await replayJournal(database, { from: 'newest', until })).toMatchObject({
    equal: true,
    seq: until,
    tablesHash: null,
  });
});

test('an empty market has a snapshot and a replay too', async () => {
  const { database } = await startTestMarket();
  expect(await replayJournal(database)).toMatchObject({ equal: true, commands: 0, seq: 0 });
  expect(await takeSnapshot(database)).toMatchObject({ seq: 0, isNew: true });
  expect(await replayJournal(database, { from: 'newest' })).toMatchObject({ equal: true, snapshots: 1 });
});

test('what does not come out again is said', async () => {
  const used = await UsedMarket.open();
  const { database, pipeline } = used.market;
  await used.use(400);
  await takeSnapshot(database);
  await used.use(200);
  const problemsAfter = async (spoil: ReturnType<typeof sql>) => {
    await spoil.execute(database.db);
    const report = await replayJournal(database);
    expect(report.equal).toBe(report.wrong === 0);
    return report.problems;
  };
  expect(await problemsAfter(sql`select`)).toEqual([]);
  const balance = sql`update ledger_accounts set balance = balance + 1
    where kind = 'available' and account_id = (select min(account_id::text)::uuid from ledger_accounts where kind = 'available')`;
  expect(await problemsAfter(balance)).toEqual([`the tables hold another state at ${pipeline.seq}`]);
  const [first] = await problemsAfter(sql`
    update market_journal set command = jsonb_set(command::jsonb, '{amount}', '5')::json
    where seq = (select min(seq) from market_journal where command->>'kind' = 'deposit')
  `);
  expect(first).toMatch(/snapshot|answer|refused|tables/);
});

test('where the beginning was removed, a replay begins at the oldest snapshot; without one there is none', async () => {
  const used = await UsedMarket.open();
  const { database } = used.market;
  await used.use(300);
  const { seq } = await takeSnapshot(database);
  await used.use(300);
  await sql`delete from market_journal where seq <= ${seq}`.execute(database.db);
  expect(await replayJournal(database)).toMatchObject({ equal: true, after: seq });
  await expect(replayJournal(database, { until: seq - 1 })).rejects.toThrow(/no snapshot to begin with/);
  await sql`delete from market_snapshots`.execute(database.db);
  await expect(replayJournal(database)).rejects.toThrow(/no snapshot to begin with/);
});

test('a broker that starts again has the same state', async () => {
  const used = await UsedMarket.open();
  const { database, pipeline } = used.market;
  await used.use(600);
  const live = await hashOf(pipeline);
  await pipeline.stop();
  const next = createTestPipeline(database.url, { now: () => start });
  await next.start();
  expect(await hashOf(next)).toBe(live);
  await next.stop();
});
