// Products: what GPUs are sold as, and what an admin adds to the table.
import { type Static, Type } from 'typebox';
import { Time } from './fields.ts';

export const Product = Type.Object({
  id: Type.String({ examples: ['H100-SXM5-80GB'] }),
  vendor: Type.String(),
  model: Type.String(),
  form_factor: Type.String(),
  interconnect: Type.String(),
  memory_gb: Type.Integer({ description: 'GiB.' }),
  aliases: Type.Array(Type.String({ examples: ['H100'] })),
});
export type Product = Static<typeof Product>;
export const ProductList = Type.Object({ items: Type.Array(Product), next_cursor: Type.Null() });

const Key = {
  vendor: Type.String({ minLength: 1, maxLength: 50, examples: ['nvidia'] }),
  model: Type.String({ minLength: 1, maxLength: 200, description: 'The exact name that the driver gives.' }),
  memory_gb: Type.Integer({ minimum: 1, maximum: 100_000, description: 'GiB.' }),
};
const Word = Type.String({ pattern: '^[A-Za-z0-9]{1,20}$' });

export const NewMapping = Type.Object({
  ...Key,
  product: Type.String({ pattern: '^[A-Z0-9][A-Z0-9.-]{0,98}[A-Z0-9]$', examples: ['H800-SXM5-80GB'] }),
  form_factor: Word,
  interconnect: Word,
});
export type NewMapping = Static<typeof NewMapping>;

export const MappingKey = Type.Object(Key);
export type MappingKey = Static<typeof MappingKey>;

export const Mapping = Type.Object({ ...NewMapping.properties, created_at: Time });
export type Mapping = Static<typeof Mapping>;
export const MappingList = Type.Object({ items: Type.Array(Mapping), next_cursor: Type.Null() });
export const MappingApplied = Type.Object({
  success: Type.Literal(true),
  gpus: Type.Integer({ minimum: 0, description: 'How many GPUs have another product now.' }),
});
