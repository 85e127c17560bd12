// Migration 3: the journal of everything that happened, and who may write it.
import type { Migration } from '../migration.ts';

export const journal: Migration = {
  up: `
    -- One row: who leads. The epoch goes up with every new leader.
    create table leader (
      singleton boolean primary key default true check (singleton),
      epoch bigint not null,
      holder text not null,
      since timestamptz not null
    );
    insert into leader values (true, 0, '', now());

    -- The order of seq is the order of commits: see events/journal.ts.
    create sequence journal_seq;
    create table journal (
      seq bigint primary key,
      at timestamptz not null,
      -- For instance 'gpu.changed', 'node.status', 'provider.verified'.
      kind text not null,
      provider_id uuid,
      cluster_id uuid,
      node_id uuid,
      gpu_id uuid,
      -- What the thing is after the event, as the API shows it.
      data jsonb not null
    );
    -- For the inventory as it was: the last event of each GPU of a provider.
    create index journal_inventory on journal (provider_id, gpu_id, seq) where kind like 'gpu.%';
    -- For the last events of what is there, which outlive the journal's retention: see jobs/journal-retention.ts.
    create index journal_nodes on journal (node_id, seq) where kind like 'node.%';
    create index journal_clusters on journal (cluster_id, seq) where kind like 'cluster.%';
    create index journal_providers on journal (provider_id, seq) where kind like 'provider.%';
    -- For the changes of one provider.
    create index journal_provider on journal (provider_id, seq);
    create index journal_at on journal (at, seq);
  `,
  down: `
    drop table journal, leader;
    drop sequence journal_seq;
  `,
};
