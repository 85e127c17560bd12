// A small market for the tests of the engine: ids, nodes and orders by number, with their usual values.
import type { Command } from '../../../src/broker/engine/commands.ts';
import type { Engine } from '../../../src/broker/engine/contract.ts';
import type { NewOrder } from '../../../src/broker/engine/order.ts';
import type { NodePricing, NodeSupply, SupplyGpu } from '../../../src/broker/engine/supply.ts';

export const product = 'H100-SXM5-80GB';
/** A moment at which no auction is cleared. */
export const start = 1_800_000_000_000 + 60_000;
export const dollar = 1_000_000;
const hour = 3_600_000;

/** The same id for the same kind and number. */
export function id(kind: number, number: number): string {
  return `00000000-0000-7000-8${String(kind).padStart(3, '0')}-${String(number).padStart(12, '0')}`;
}
export const account = (number: number) => id(1, number);
export const node = (number: number) => id(2, number);
export const order = (number: number) => id(3, number);
export const gpu = (nodeNumber: number, number: number) => id(4, nodeNumber * 100 + number);

/** Node `number` of account `owner`, in cluster 1 of region eu, with so many GPUs that can be sold. */
export function supplyOf(
  number: number,
  owner: number,
  gpus: number,
  change: (gpu: SupplyGpu, index: number) => Partial<SupplyGpu> = () => ({}),
  place: Partial<NodeSupply> = {},
): NodeSupply {
  return {
    nodeId: node(number),
    clusterId: id(5, 1),
    providerId: id(6, owner),
    accountId: account(owner),
    region: 'eu',
    gpus: Array.from({ length: gpus }, (_, index) => {
      const usual: SupplyGpu = {
        id: gpu(number, index),
        product,
        label: 'measured',
        score: 80,
        sellable: true,
        occupied: false,
      };
      return { ...usual, ...change(usual, index) };
    }),
    ...place,
  };
}

export function pricingOf(number: number, basePrice: number, change: Partial<NodePricing> = {}): NodePricing {
  return {
    nodeId: node(number),
    basePrice,
    surge: false,
    maxDurationHours: 720,
    availableUntil: null,
    withheld: 0,
    ...change,
  };
}

export function bidOf(
  number: number,
  owner: number,
  quantity: number,
  price: number,
  change: Partial<NewOrder> = {},
): NewOrder {
  return {
    id: order(number),
    accountId: account(owner),
    userId: null,
    clientOrderId: null,
    side: 'bid',
    product,
    quantity,
    price,
    durationHours: 1,
    timeInForce: 'gtc',
    expiresAt: null,
    allOrNone: false,
    minQuantity: 1,
    placement: 'any',
    region: null,
    minScore: 0,
    minLabel: null,
    nodeId: null,
    interruptible: false,
    ...change,
  };
}

export function askOf(
  number: number,
  owner: number,
  nodeNumber: number,
  quantity: number,
  price: number,
  change: Partial<NewOrder> = {},
): NewOrder {
  return bidOf(number, owner, quantity, price, {
    side: 'ask',
    nodeId: node(nodeNumber),
    durationHours: 720,
    ...change,
  });
}

/** Gives an engine commands one after the other, at a time that moves on when it is told. */
export function conductor(engine: Engine, from = start) {
  let now = from;
  return {
    engine,
    get now() {
      return now;
    },
    wait(ms: number): void {
      now += ms;
    },
    waitHours(hours: number): void {
      now += hours * hour;
    },
    /** @throws Error where the command is refused */
    do(command: Command) {
      const { result, refusal } = engine.apply(command, now);
      if (refusal) throw new Error(`${refusal.code}: ${refusal.message}`);
      return result;
    },
    /** Its code; undefined where the command is done. */
    refused: (command: Command) => engine.apply(command, now).refusal?.code,
    fund(owner: number, amount: number): void {
      const command = { kind: 'deposit', id: id(9, owner), accountId: account(owner), amount, reference: '' } as const;
      this.do(command);
    },
    place(given: NewOrder) {
      const { order: image, trades } = this.do({ kind: 'place', order: given });
      if (!image || !trades) throw new Error('place answers with the order and its trades');
      return { order: image, trades };
    },
  };
}
