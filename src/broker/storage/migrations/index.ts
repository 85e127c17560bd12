// All migrations in order. One that has been released is never changed: what must change is another migration.
import type { Migration } from '../migration.ts';
import { identity } from './0001-identity.ts';
import { inventory } from './0002-inventory.ts';
import { journal } from './0003-journal.ts';
import { operation } from './0004-operation.ts';
import { telemetry } from './0005-telemetry.ts';
import { market } from './0006-market.ts';
import { podAllocation } from './0007-pod-allocation.ts';
import { telemetryDetails } from './0008-telemetry-details.ts';
import { verification } from './0009-verification.ts';

/** By name; the names say the order. */
export const migrations: Readonly<Record<string, Migration>> = {
  '0001-identity': identity,
  '0002-inventory': inventory,
  '0003-journal': journal,
  '0004-operation': operation,
  '0005-telemetry': telemetry,
  '0006-market': market,
  '0007-pod-allocation': podAllocation,
  '0008-telemetry-details': telemetryDetails,
  '0009-verification': verification,
};
