// Spot prices: what nodes ask now, by product and region; and what an order would cost.
import { formatMoney } from '../../api/money.ts';
import type { PriceEstimate, PriceRequest, SpotPrice, SpotQuery } from '../../api/pricing.ts';
import type { NodeOffer } from '../engine/contract.ts';
import { costOfHours } from '../engine/prices.ts';
import type { Principal } from '../identity/principal.ts';
import { Refusal } from '../refusal.ts';
import type { MarketContext } from './orders.ts';

type SpotContext = Pick<MarketContext, 'names' | 'pipeline'>;

/**
 * By product and region, where something is for sale or leased: what a provider merely has is nobody else's business.
 * @throws Refusal `GPUB_UNKNOWN_PRODUCT`, those of the pipeline
 */
export async function spotPrices({ names, pipeline }: SpotContext, query: SpotQuery): Promise<SpotPrice[]> {
  const wanted = query.gpu_type === undefined ? undefined : await names.resolve(query.gpu_type, 'query.gpu_type');
  const here = ({ region }: { region: string }) => query.region === undefined || region === query.region;
  return pipeline.read((market) => {
    const offers = Map.groupBy(
      market.offers(wanted).filter((offer) => here(offer) && offer.open > 0),
      placeOf,
    );
    const uses = Map.groupBy(
      market.uses(wanted).filter((use) => here(use) && use.sellableOrLeased > 0),
      placeOf,
    );
    const places = [...new Set([...uses.keys(), ...offers.keys()])].sort();
    return places.map((place) => {
      const [gpu_type = '', region = ''] = place.split(' ');
      const leased = sum((uses.get(place) ?? []).map((use) => use.leased));
      const all = sum((uses.get(place) ?? []).map((use) => use.sellableOrLeased));
      const selling = offers.get(place) ?? [];
      const lowest = lowestPrice(selling);
      return {
        gpu_type,
        region,
        spot_price: lowest === null ? null : formatMoney(lowest),
        utilization: all === 0 ? 0 : leased / all,
        leased,
        sellable_or_leased: all,
        available: sum(selling.map(({ open }) => open)),
      };
    });
  });
}

/** What GPUs for a time would cost now. @throws Refusal `GPUB_UNKNOWN_PRODUCT`, `GPUB_ORDER_TOO_LARGE`; those of the pipeline */
export async function estimatePrice(
  { names, pipeline }: SpotContext,
  principal: Principal,
  { gpu_type, quantity, duration_hours: durationHours, region }: PriceRequest,
): Promise<PriceEstimate> {
  const product = await names.resolve(gpu_type, 'body.gpu_type');
  const { accountId } = principal;
  const { spot, levels } = await pipeline.read((market) => ({
    spot: lowestPrice(market.offers(product).filter((offer) => offer.open > 0 && (!region || offer.region === region))),
    levels: market.quote({ product, quantity, durationHours, region: region ?? null, accountId }),
  }));
  const filled = sum(levels.map((level) => level.quantity));
  const hourly = sum(levels.map((level) => level.price * level.quantity));
  return {
    gpu_type: product,
    quantity,
    duration_hours: durationHours,
    region: region ?? null,
    spot_price: spot === null ? null : formatMoney(spot),
    total_price: spot === null ? null : formatMoney(cost(spot * quantity, durationHours)),
    book: {
      filled_quantity: filled,
      average_price: filled === 0 ? null : formatMoney(Math.floor(hourly / filled)),
      limit_price: filled === 0 ? null : formatMoney(levels.at(-1)?.price ?? 0),
      total_price: formatMoney(cost(hourly, durationHours)),
    },
  };
}

const placeOf = ({ product, region }: { product: string; region: string }) => `${product} ${region}`;
const sum = (numbers: readonly number[]) => numbers.reduce((all, one) => all + one, 0);

function lowestPrice(offers: readonly Pick<NodeOffer, 'price'>[]): number | null {
  return offers.length === 0 ? null : offers.reduce((lowest, { price }) => Math.min(lowest, price), Infinity);
}

function cost(hourly: number, hours: number): number {
  const whole = costOfHours(hourly, 1, hours);
  if (whole !== undefined) return whole;
  throw new Refusal('invalid', 'GPUB_ORDER_TOO_LARGE', 'so many GPUs for so long cost more than can be ordered');
}
