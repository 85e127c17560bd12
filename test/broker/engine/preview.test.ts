// A preview says what the order then does, whatever the market is like.
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { createEngine } from '../../../src/broker/engine/engine.ts';
import type { NodeSupply } from '../../../src/broker/engine/supply.ts';
import { runs, soaking } from '../../properties.ts';
import { start } from './market-fixture.ts';
import { opening, stories } from './random-market.ts';

function hasMixedGpus(supply: NodeSupply | undefined): boolean {
  return new Set(supply?.gpus.map(({ label, score }) => `${label} ${score}`)).size > 1;
}

test(
  'a preview is what placing does, and changes nothing',
  () => {
    fc.assert(
      fc.property(stories(60), (steps) => {
        const engine = createEngine();
        let now = start;
        for (const [index, step] of [...opening(), ...steps].entries()) {
          now += step.wait;
          const command = step.command(engine, index + 1, now);
          engine.apply({ kind: 'tick' }, now);
          engine.takeEvents();
          if (command.kind !== 'place') {
            engine.apply(command, now);
            continue;
          }
          const before = engine.stateHash();
          const preview = engine.preview(command.order, now);
          expect(engine.stateHash()).toBe(before);
          expect(engine.takeEvents()).toEqual([]);
          const { result, refusal } = engine.apply(command, now);
          expect(preview.refusal).toEqual(refusal);
          if (!result?.order || !result.trades) continue;
          const { order, trades } = result;
          const own = trades.filter(({ bidOrderId, askOrderId }) => bidOrderId === order.id || askOrderId === order.id);
          const fills = own.map(({ price, quantity, nodeId }) => ({ price, quantity, nodeId }));
          if (order.side === 'ask' && hasMixedGpus(engine.supply(order.nodeId ?? ''))) {
            expect(fills.slice(0, preview.fills.length)).toEqual(preview.fills);
            continue;
          }
          expect(preview.fills).toEqual(fills);
          const { status, filled, open: resting, escrow } = order;
          expect(preview).toMatchObject({ status, filled, resting, escrow });
          const cost = order.side === 'ask' ? 0 : own.reduce((sum, trade) => sum + trade.escrow, 0);
          expect(preview.cost).toBe(cost);
        }
      }),
      runs(150, 5000),
    );
  },
  soaking ? 600_000 : 60_000,
);
