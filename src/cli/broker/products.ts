// `gpubroker products`: what GPUs are sold as, and what an admin adds to the table.
import type { Mapping, MappingKey, NewMapping, Product } from '../../api/products.ts';
import type { Client } from '../../client/client.ts';
import { type Columns, showDone, showList } from './show.ts';

const columns: Columns<Product> = {
  PRODUCT: ({ id }) => id,
  VENDOR: ({ vendor }) => vendor,
  MODEL: ({ model }) => model,
  FORM: ({ form_factor }) => form_factor,
  INTERCONNECT: ({ interconnect }) => interconnect,
  'MEMORY GIB': ({ memory_gb }) => memory_gb,
  ALIASES: ({ aliases }) => aliases.join(', '),
};

const mappingColumns: Columns<Mapping> = {
  VENDOR: ({ vendor }) => vendor,
  MODEL: ({ model }) => model,
  'MEMORY GIB': ({ memory_gb }) => memory_gb,
  PRODUCT: ({ product }) => product,
};

export async function listProducts(client: Client, json: boolean): Promise<void> {
  const { items } = await client.call('GET /products', {});
  showList(items, { json, columns, nothing: 'The table of products is empty.' });
}

export async function listMappings(client: Client, json: boolean): Promise<void> {
  const { items } = await client.call('GET /products/mappings', {});
  showList(items, { json, columns: mappingColumns, nothing: 'No model was mapped by hand.' });
}

export async function mapModel(client: Client, json: boolean, mapping: NewMapping): Promise<void> {
  const answer = await client.call('POST /products/mappings', { body: mapping });
  showDone(
    answer,
    `${mapping.model} is sold as ${mapping.product}: ${answer.gpus} GPUs have another product now.`,
    json,
  );
}

export async function unmapModel(client: Client, json: boolean, key: MappingKey): Promise<void> {
  const answer = await client.call('DELETE /products/mappings', { query: key });
  showDone(answer, `Took the mapping of ${key.model} back: ${answer.gpus} GPUs have another product now.`, json);
}
