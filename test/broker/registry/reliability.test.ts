// Uptime, recovery and score of nodes, from the history of their statuses.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { figuresOf, nodeFigures } from '../../../src/broker/registry/reliability.ts';
import { testDatabase } from '../../fixtures/database.ts';
import { runs } from '../../properties.ts';
import { beatOf, gpu, insertNodes, insertPlace, joinedNode, newIngest, snapshot, TestClock } from './ingest/fixture.ts';

type Status = 'healthy' | 'degraded' | 'offline';
const from = new Date(Date.UTC(2026, 0, 1));
const hour = 3_600_000;
const to = new Date(from.getTime() + 720 * hour);
const at = (hours: number, status: Status) => ({ at: new Date(from.getTime() + hours * hour), status });
const history = (changes: ReturnType<typeof at>[], incidents = 0) => ({
  changes,
  incidents,
  roundTripMicros: null,
  decommissionedAt: null,
});

describe('the figures', () => {
  test('of a node that was always there are perfect', () => {
    const figures = figuresOf(history([at(-5, 'healthy'), at(100, 'degraded'), at(120, 'healthy')]), from, to);
    expect(figures).toMatchObject({ uptime: 1, outages: 0, median_recovery_seconds: null, score: 100 });
    expect(figures.from).toBe(from.toISOString());
  });

  test('count outages from when the node first joined', () => {
    const changes = [
      at(360, 'healthy'),
      at(400, 'offline'),
      at(403.6, 'degraded'),
      at(500, 'offline'),
      at(500.2, 'healthy'),
    ];
    const figures = figuresOf(history([...changes, at(719.8, 'offline')], 5), from, to);
    expect(figures.uptime).toBeCloseTo(1 - 4 / 360);
    expect(figures).toMatchObject({ outages: 3, incidents: 5, median_recovery_seconds: 1.9 * 3600 });
    // U = 0.889, I = 0.5, R = 1 / 8.6
    expect(figures.score).toBe(73);
  });

  test('count an outage that began before the window by its part in it, and its recovery whole', () => {
    const figures = figuresOf(history([at(-10, 'offline'), at(72, 'healthy')]), from, to);
    expect(figures.uptime).toBeCloseTo(0.9);
    expect(figures).toMatchObject({ median_recovery_seconds: 82 * 3600, score: 20 });
  });

  test('end when the node was decommissioned, and are none where it was not there', () => {
    const decommissionedAt = at(10, 'offline').at;
    const figures = figuresOf({ ...history([at(0, 'healthy'), at(20, 'offline')]), decommissionedAt }, from, to);
    expect(figures).toMatchObject({ uptime: 1, to: decommissionedAt.toISOString() });
    expect(figuresOf(history([]), from, to)).toMatchObject({ uptime: null, score: null });
  });

  test('stay within their bounds whatever happened', () => {
    const status = fc.constantFrom<Status>('healthy', 'degraded', 'offline');
    const changes = fc.array(fc.tuple(fc.integer({ min: -2000, max: 720 }), status), { minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(changes, fc.nat(50), (drawn, incidents) => {
        const sorted = drawn.sort(([a], [b]) => a - b).map(([hours, status]) => at(hours, status));
        const { uptime, score } = figuresOf(history(sorted, incidents), from, to);
        if (uptime === null) return;
        expect(uptime).toBeGreaterThanOrEqual(0);
        expect(uptime).toBeLessThanOrEqual(1);
        expect(score).toBeGreaterThanOrEqual(0);
        expect(score).toBeLessThanOrEqual(100);
      }),
      runs(200, 10_000),
    );
  });
});

test('the database gives the figures of many nodes at once', async () => {
  const { db } = await testDatabase();
  const clock = new TestClock();
  const place = await insertPlace(db, clock);
  const [one = '', never = ''] = await insertNodes(db, clock, place, 2);
  const ingest = newIngest(db, clock);
  await ingest.joined(joinedNode(place, one, clock));
  await ingest.snapshot(one, 'spool', snapshot(0, [gpu('gpu-a')]));
  ingest.beat(one, beatOf(clock));
  await ingest.flush();
  for (let second = 0; second < 40; second++) {
    clock.advance(1000);
    if (second >= 19) ingest.beat(one, beatOf(clock));
    await ingest.tick();
  }
  const figures = await nodeFigures(db, [one, never], clock.now());
  expect([...figures.keys()]).toEqual([one]);
  // Offline from the 10th to the 20th second of 40.
  expect(figures.get(one)).toMatchObject({ uptime: 0.75, outages: 1, incidents: 1, median_recovery_seconds: 10 });
  expect(figures.get(one)?.mean_round_trip_micros).toBe(800);
});
