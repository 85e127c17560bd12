// What the pipeline refuses, and the engine's refusals as those who ask get them.
import type { EngineRefusal } from '../engine/commands.ts';
import { Refusal } from '../refusal.ts';

/** The engine's refusal as an error. */
export function refusalOf({ kind, code, message, field, value, allowed }: EngineRefusal): Refusal {
  return new Refusal(kind, code, message, { field, value, allowed });
}

export function busy(waiting: number): Refusal {
  return new Refusal('too-many', 'GPUB_MARKET_BUSY', `${waiting} commands wait already: try again in a moment`, {
    retryAfter: 1,
  });
}

/** `unknown`: it may be stored; otherwise it is not, and will not be. */
export function unavailable(reason: string, outcome: 'not-done' | 'unknown'): Refusal {
  const rest =
    outcome === 'unknown'
      ? 'whether this was done is not known yet: ask again with the same Idempotency-Key'
      : 'this was not done: try again in a moment';
  return new Refusal('unavailable', 'GPUB_MARKET_UNAVAILABLE', `${reason}; ${rest}`, { retryAfter: 1 });
}

export function keyReused(key: string): Refusal {
  const message = `the Idempotency-Key ${JSON.stringify(key)} was given to another request`;
  return new Refusal('conflict', 'GPUB_IDEMPOTENCY_KEY_REUSED', message, {
    field: 'header.idempotency-key',
    value: key,
    allowed: 'a key of its own for each request, and the same request for the same key',
  });
}

export function unstorable(): Refusal {
  return new Refusal('invalid', 'GPUB_INVALID', 'a text has a character that cannot be stored', {
    allowed: 'text without NUL and without halves of surrogate pairs',
  });
}
