// Migration 7: whether a pod of its node holds a GPU.
import type { Migration } from '../migration.ts';

export const podAllocation: Migration = {
  up: `
    -- Null where the node does not ask the kubelet.
    alter table gpus add column pod_allocation text check (pod_allocation in ('none', 'held', 'unknown'));
  `,
  down: `
    alter table gpus drop column pod_allocation;
  `,
};
