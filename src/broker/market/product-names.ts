// Which product a request means: ids and aliases of the table, and what the inventory holds besides: simulated GPUs,
// MIG instances, models that an admin mapped.
import { sql } from 'kysely';
import { Refusal } from '../refusal.ts';
import { products } from '../registry/products/products.ts';
import type { Database } from '../storage/database.ts';

/** Milliseconds for which a name that nobody knows is not asked for again. */
const unknownFor = 5_000;
/** More names are not remembered: whoever tries many must not fill the memory. */
const maxRemembered = 10_000;

const simulated = 'SIM-';

export interface ProductNames {
  /**
   * The id of the product with that id or alias. Asks the database for names that the table lacks, and remembers them.
   * @param field where the name stands in the request
   * @throws Refusal `GPUB_UNKNOWN_PRODUCT`
   */
  resolve(name: string, field: string): string | Promise<string>;
}

/** @param now milliseconds since 1970 */
export function createProductNames(db: Database, now: () => number): ProductNames {
  const known = new Map<string, string>();
  for (const { id, aliases } of products) {
    for (const name of [id, ...aliases]) {
      known.set(name, id);
      known.set(simulated + name, simulated + id);
    }
  }
  /** Until when they are taken for unknown. */
  const unknown = new Map<string, number>();
  const lookUp = async (name: string, field: string) => {
    if ((unknown.get(name) ?? 0) > now()) throw unknownProduct(name, field);
    if (await isInInventory(db, name)) {
      if (known.size < maxRemembered) known.set(name, name);
      return name;
    }
    if (unknown.size >= maxRemembered) unknown.clear();
    unknown.set(name, now() + unknownFor);
    throw unknownProduct(name, field);
  };
  return { resolve: (name, field) => known.get(name) ?? lookUp(name, field) };
}

async function isInInventory(db: Database, name: string): Promise<boolean> {
  const { rows } = await sql<{ found: boolean }>`
    -- The expression is that of the index: see migration 2.
    select exists (select 1 from gpus where (coalesce(product, '') collate "C") = ${name})
      or exists (select 1 from product_mappings where product = ${name}) as found
  `.execute(db);
  return rows[0]?.found === true;
}

function unknownProduct(name: string, field: string): Refusal {
  const allowed = 'the id or an alias of a product of GET /api/v2/products';
  const message = `${field}: there is no product ${JSON.stringify(name)}: give ${allowed}`;
  return new Refusal('invalid', 'GPUB_UNKNOWN_PRODUCT', message, { field, value: name, allowed });
}
