// Migration 9: whose verifications are, why they failed, when, and since when a GPU is the card that it is.
import type { Migration } from '../migration.ts';

export const verification: Migration = {
  up: `
    alter table gpus
      -- When another card came to its name: what was verified before then says nothing of this one. Null: never.
      add column identified_at timestamptz,
      -- The newest measurement, and the newest proof that it passed, of this card.
      add column measured_at timestamptz,
      add column verified_at timestamptz;

    -- Nothing has written to it before.
    alter table verifications
      add column node_id uuid not null references nodes on delete cascade,
      -- Copied from its GPU, so that a list touches one table.
      add column provider_id uuid not null references providers,
      add column product text,
      -- By the node's clock; at is the broker's.
      add column started_at timestamptz,
      add column ended_at timestamptz,
      add column effort text,
      -- A word for programs, and a sentence for people; null where there is nothing to say.
      add column reason text,
      add column message text,
      add constraint verifications_kind check (kind in ('measurement', 'proof'));
    drop index verifications_gpu;
    create index verifications_gpu on verifications (gpu_id, kind, at, id);
    create index verifications_node on verifications (node_id, at, id);
    create index verifications_provider on verifications (provider_id, at, id);
    create index verifications_at on verifications (at, id);

    -- For those who follow verifications alone: see verification/events.ts.
    create index journal_verifications on journal (seq) where kind in
      ('gpu.measured', 'gpu.verified', 'gpu.verification_failed', 'gpu.verification_expired');
  `,
  down: `
    drop index journal_verifications;
    drop index verifications_at;
    drop index verifications_provider;
    drop index verifications_node;
    drop index verifications_gpu;
    create index verifications_gpu on verifications (gpu_id, at);
    alter table verifications
      drop constraint verifications_kind,
      drop column node_id,
      drop column provider_id,
      drop column product,
      drop column started_at,
      drop column ended_at,
      drop column effort,
      drop column reason,
      drop column message;
    alter table gpus
      drop column identified_at,
      drop column measured_at,
      drop column verified_at;
  `,
};
