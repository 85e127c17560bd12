// What an admin adds to the table of products, applied to the GPUs that are there already.
import { createHash } from 'node:crypto';
import { type Selectable, sql } from 'kysely';
import type { Mapping, MappingKey, NewMapping, Product } from '../../../api/products.ts';
import type { Principal } from '../../identity/principal.ts';
import { invalid, notFound, Refusal } from '../../refusal.ts';
import type { Queryable } from '../../storage/database.ts';
import type { Label, Schema } from '../../storage/schema.ts';
import { transact } from '../../storage/transact.ts';
import { type RegistryContext, recordChange } from '../change.ts';
import { gpuEvent } from '../gpu-changes.ts';
import { withConditions } from '../search/search.ts';
import { productById, products } from './products.ts';
import { classify, type ProductMapping } from './taxonomy.ts';

type MappingRow = Selectable<Schema['product_mappings']>;

/** The table of products, by id. */
export function listProducts(): Product[] {
  const shown = products.map(({ id, vendor, model, formFactor, interconnect, memoryGb, aliases }) => {
    return { id, vendor, model, form_factor: formFactor, interconnect, memory_gb: memoryGb, aliases: [...aliases] };
  });
  return shown.sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** Every mapping, as `classify` takes them. */
export async function loadMappings(db: Queryable): Promise<ProductMapping[]> {
  const rows = await db.selectFrom('product_mappings').selectAll().execute();
  return rows.map(({ vendor, model, memory_gb, product, form_factor, interconnect }) => {
    return { vendor, model, memoryGb: memory_gb, product, formFactor: form_factor, interconnect };
  });
}

export async function listMappings({ db }: RegistryContext): Promise<Mapping[]> {
  const rows = await db
    .selectFrom('product_mappings')
    .selectAll()
    .orderBy('vendor')
    .orderBy('model')
    .orderBy('memory_gb')
    .execute();
  return rows.map(mappingView);
}

function mappingView(row: MappingRow): Mapping {
  return { ...row, created_at: row.created_at.toISOString() };
}

/**
 * Says what a model is sold as.
 * @returns how many GPUs have another product now
 * @throws Refusal `GPUB_CONFLICT` where the model is mapped already; `GPUB_INVALID` where the product contradicts the table
 */
export async function addMapping(
  { db, now }: RegistryContext,
  principal: Principal,
  given: NewMapping,
): Promise<number> {
  checkMapping(given);
  return transact(db, async (trx) => {
    const at = now();
    const row = await trx
      .insertInto('product_mappings')
      .values({ ...given, vendor: given.vendor.toLowerCase(), created_at: at })
      .onConflict((same) => same.doNothing())
      .returningAll()
      .executeTakeFirst();
    if (!row) throw new Refusal('conflict', 'GPUB_CONFLICT', `${given.model} is mapped already: delete that first`);
    return applyMappings(trx, at, principal, row, 'added');
  });
}

/** @returns how many GPUs have another product now. @throws Refusal not-found */
export async function removeMapping(
  { db, now }: RegistryContext,
  principal: Principal,
  { vendor, model, memory_gb }: MappingKey,
): Promise<number> {
  return transact(db, async (trx) => {
    const row = await trx
      .deleteFrom('product_mappings')
      .where('vendor', '=', vendor.toLowerCase())
      .where('model', '=', model)
      .where('memory_gb', '=', memory_gb)
      .returningAll()
      .executeTakeFirst();
    if (!row) throw notFound('mapping of', `${vendor} ${model}, ${memory_gb} GB`);
    return applyMappings(trx, now(), principal, row, 'removed');
  });
}

function checkMapping({ product, memory_gb, form_factor, interconnect }: NewMapping): void {
  if (/^SIM-|-MIG-/.test(product)) throw invalid('body.product', product, 'an id without SIM- and -MIG-');
  const known = productById(product);
  const size = Number(/-(\d+)GB$/.exec(product)?.[1]);
  if (size !== memory_gb) throw invalid('body.product', product, `an id that ends with -${memory_gb}GB`);
  if (!known) return;
  if (known.formFactor !== form_factor) throw invalid('body.form_factor', form_factor, known.formFactor);
  const links = [known.interconnect, known.bridge].filter((link) => link !== undefined);
  if (!links.includes(interconnect)) throw invalid('body.interconnect', interconnect, links.join(' or '));
}

/** Classifies the GPUs of the model anew. */
async function applyMappings(
  trx: Queryable,
  at: Date,
  principal: Principal,
  row: MappingRow,
  what: 'added' | 'removed',
): Promise<number> {
  const mappings = await loadMappings(trx);
  const { rows: gpus } = await sql<Selectable<Schema['gpus']> & { simulated: boolean }>`
    with shown as materialized (
      -- As the index has it: see migration 2.
      select id, node_id from gpus where (coalesce(model, '') collate "C") = ${row.model} and removed_at is null
    ), locked as materialized (
      -- The nodes first, and both in the order of the ingest, which writes many GPUs too.
      select id, simulated from nodes where id in (select node_id from shown) order by id for no key update
    )
    select gpus.*, locked.simulated from gpus join locked on locked.id = gpus.node_id
    where gpus.id in (select id from shown) and gpus.removed_at is null
    for no key update of gpus
  `.execute(trx);
  const changed = gpus.flatMap((gpu) => {
    const pci = gpu.attributes.pci as { device_id?: number; subsystem_id?: number } | undefined;
    const links = gpu.attributes.nvlinks;
    const found = classify(
      {
        vendor: gpu.vendor ?? undefined,
        model: gpu.model ?? undefined,
        memoryBytes: gpu.memory_bytes ?? undefined,
        pciDeviceId: pci?.device_id,
        pciSubsystemId: pci?.subsystem_id,
        nvlinks: Array.isArray(links) ? links.length : 0,
        simulated: gpu.simulated || gpu.source === 'simulated',
      },
      mappings,
    );
    const { product, formFactor: form_factor, interconnect } = found;
    if (gpu.parent !== null) return [];
    const same = gpu.product === product && gpu.form_factor === form_factor && gpu.interconnect === interconnect;
    const sold = { product, form_factor, interconnect, changed_at: at, node_offline: false };
    return same ? [] : [{ ...gpu, ...sold, ...(gpu.product === product ? {} : unverified(gpu.label, at)) }];
  });
  await storeProducts(trx, at, changed);
  await recordChange(trx, at, principal, {
    action: 'product.map',
    accountId: principal.accountId,
    target: { kind: 'product-mapping', id: mappingId(row) },
    details: { what, ...mappingView(row), gpus: changed.length },
    events: (await withConditions(trx, changed)).map((gpu) => gpuEvent('gpu.changed', at, gpu)),
  });
  return changed.length;
}

/** What was verified was verified of another product: it has to be done anew. */
function unverified(label: Label, at: Date) {
  const earned = { score: null, measured_at: null, verified_at: null, identified_at: at };
  return { label: label === 'simulated' ? label : ('self-reported' as const), ...earned };
}

async function storeProducts(trx: Queryable, at: Date, gpus: readonly Selectable<Schema['gpus']>[]): Promise<void> {
  if (gpus.length === 0) return;
  const columns = ['id', 'product', 'form_factor', 'interconnect', 'label', 'score'] as const;
  const times = ['measured_at', 'verified_at', 'identified_at'] as const;
  const rows = gpus.map((gpu) => Object.fromEntries([...columns, ...times].map((name) => [name, gpu[name]])));
  await sql`
    update gpus set product = new.product, form_factor = new.form_factor, interconnect = new.interconnect,
      label = new.label, score = new.score, measured_at = new.measured_at, verified_at = new.verified_at,
      identified_at = new.identified_at, changed_at = ${at}
    from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb)
      as new (id uuid, product text, form_factor text, interconnect text, label text, score smallint,
        measured_at timestamptz, verified_at timestamptz, identified_at timestamptz)
    where gpus.id = new.id
  `.execute(trx);
}

/** The audit log names its targets by UUID: one that is made of the key. */
function mappingId({ vendor, model, memory_gb }: MappingKey): string {
  const hex = createHash('sha256').update(`${vendor}\n${model}\n${memory_gb}`).digest('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`, `8${hex.slice(17, 20)}`, hex.slice(20, 32)].join(
    '-',
  );
}
