// Whether the database answers, asked every few seconds, for readiness.
import type pg from 'pg';
import { messageOf } from '../../daemon/errors.ts';
import type { ServerState, SupervisedServer } from './embedded/supervisor.ts';

/** Milliseconds: between questions, and for an answer. */
const times = { interval: 3000, answer: 2000 };

export interface DatabaseWatch {
  readonly onState: (listener: (state: ServerState) => void) => () => void;
  readonly stop: () => void;
}

/** Watches until it is stopped; of an embedded server's end it is told at once. */
export function watchDatabase(pool: pg.Pool, embedded?: Pick<SupervisedServer, 'onState'>): DatabaseWatch {
  const listeners = new Set<(state: ServerState) => void>();
  let last: ServerState = { isUp: true, reason: '' };
  const tell = (state: ServerState) => {
    if (state.isUp === last.isUp && state.reason === last.reason) return;
    last = state;
    for (const listener of listeners) listener(state);
  };
  const unlisten = embedded?.onState(tell);
  let asking = false;
  const ask = async () => {
    // A full pool is busy, not broken: whoever waits there has a deadline.
    if (asking || pool.waitingCount > 0) return;
    asking = true;
    try {
      await answered(pool);
      tell({ isUp: true, reason: '' });
    } catch (error) {
      tell({ isUp: false, reason: messageOf(error) });
    } finally {
      asking = false;
    }
  };
  const timer = setInterval(() => void ask(), times.interval);
  const stop = () => {
    clearInterval(timer);
    unlisten?.();
    listeners.clear();
  };
  const onState = (listener: (state: ServerState) => void) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  };
  return { onState, stop };
}

/** A query with a deadline of its own. */
async function answered(pool: pg.Pool): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${times.answer} ms`)), times.answer);
  });
  try {
    await Promise.race([pool.query('select'), late]);
  } finally {
    clearTimeout(timer);
  }
}
