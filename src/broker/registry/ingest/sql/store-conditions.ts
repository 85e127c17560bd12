// Writes the conditions of GPUs: what is not named any more goes, what is the same is left alone.
import { sql } from 'kysely';
import type { Queryable } from '../../../storage/database.ts';
import type { ConditionRecord } from '../gpu-record.ts';

/** All conditions of a GPU. */
export interface GpuConditions {
  readonly gpuId: string;
  readonly conditions: readonly ConditionRecord[];
}

export async function storeConditions(trx: Queryable, gpus: readonly GpuConditions[]): Promise<void> {
  if (gpus.length === 0) return;
  const rows = gpus.flatMap(({ gpuId, conditions }) =>
    conditions.map((condition) => ({ gpu_id: gpuId, ...condition })),
  );
  const given = JSON.stringify(rows);
  await sql`
    delete from gpu_conditions as stored
    where stored.gpu_id = any(${gpus.map(({ gpuId }) => gpuId)}::uuid[]) and not exists (
      select from jsonb_to_recordset(${given}::jsonb) as given (gpu_id uuid, type text)
      where given.gpu_id = stored.gpu_id and given.type = stored.type
    )
  `.execute(trx);
  await sql`
    insert into gpu_conditions as stored (gpu_id, type, status, reason, message, last_transition_at)
    select gpu_id, type, status, reason, message, last_transition_at
    from jsonb_to_recordset(${given}::jsonb) as given
      (gpu_id uuid, type text, status text, reason text, message text, last_transition_at timestamptz)
    on conflict (gpu_id, type) do update set status = excluded.status, reason = excluded.reason,
      message = excluded.message, last_transition_at = excluded.last_transition_at
    where (stored.status, stored.reason, stored.message, stored.last_transition_at)
      is distinct from (excluded.status, excluded.reason, excluded.message, excluded.last_transition_at)
  `.execute(trx);
}
