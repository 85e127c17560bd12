// The rules of products and whether they trade, as of the last commit: looked at with every order, so kept in memory.
import type { Pipeline } from '../commit/contract.ts';
import type { ProductState } from '../engine/events.ts';
import { defaultRules } from '../engine/order.ts';

export interface ProductStates {
  /** Of any product; one that nobody has touched has its default rules. */
  of(product: string): ProductState;
  /** Those that had a command. */
  all(): Iterable<ProductState>;
  stop(): void;
}

/** Reads them, and follows what changes. */
export async function followProductStates(pipeline: Pick<Pipeline, 'read' | 'onCommitted'>): Promise<ProductStates> {
  const states = new Map<string, ProductState>();
  // Listens first, so that nothing falls between; what was committed before the look is in it already.
  let from = Number.POSITIVE_INFINITY;
  const stop = pipeline.onCommitted(({ seq, events }) => {
    if (seq <= from) return;
    for (const event of events) if (event.type === 'product') states.set(event.state.product, event.state);
  });
  await pipeline.read((engine, seq) => {
    from = seq;
    for (const state of engine.products()) states.set(state.product, state);
  });
  return {
    of: (product) => states.get(product) ?? untouched(product),
    all: () => states.values(),
    stop,
  };
}

function untouched(product: string): ProductState {
  return { product, rules: defaultRules(product), haltReason: null, lastPrice: null };
}
