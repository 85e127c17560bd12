// Providers: who brings GPUs.
import { type Static, Type } from 'typebox';
import { FreeForm, Id, Name, Nullable, OneOf, Time } from './fields.ts';
import { Page, pageFields } from './lists.ts';

export const providerStatuses = ['pending_kyc', 'verified', 'suspended'] as const;

export const NewProvider = Type.Object({
  name: Name,
  company: Name,
  kyc_data: Type.Optional({
    ...FreeForm,
    description: 'What proves who the company is; shown to its owner and to admins alone.',
    examples: [{ vat_id: 'DE123456789', country: 'DE' }],
  }),
});
export type NewProvider = Static<typeof NewProvider>;
export const ProviderCreated = Type.Object({ provider_id: Id });

export const ProviderChange = Type.Object(
  {
    name: Type.Optional(Name),
    company: Type.Optional(Name),
    kyc_data: Type.Optional(FreeForm),
  },
  { minProperties: 1 },
);
export type ProviderChange = Static<typeof ProviderChange>;

export const Suspension = Type.Object({
  reason: Type.String({ minLength: 1, maxLength: 1000, description: 'Shown to the provider.' }),
});

export const Provider = Type.Object({
  id: Id,
  account_id: Id,
  name: Type.String({ examples: ['Northern GPUs'] }),
  company: Type.String({ examples: ['Northern GPUs GmbH'] }),
  status: OneOf(providerStatuses, { description: 'Only a verified provider sells.' }),
  status_reason: Nullable(Type.String()),
  status_changed_at: Time,
  created_at: Time,
});
export type Provider = Static<typeof Provider>;

export const ProviderDetails = Type.Object({ ...Provider.properties, kyc_data: FreeForm });
export type ProviderDetails = Static<typeof ProviderDetails>;

export const ProviderQuery = Type.Object({ ...pageFields, status: Type.Optional(OneOf(providerStatuses)) });
export type ProviderQuery = Static<typeof ProviderQuery>;
export const ProviderPage = Page(Provider);
