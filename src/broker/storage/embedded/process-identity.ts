// Whether a process that is on record still lives. Numbers are used again, so the time of its start belongs to it.
import { readFileSync } from 'node:fs';
import { bootId } from '../../../daemon/boot-id.ts';

export interface ProcessIdentity {
  readonly pid: number;
  /** In clock ticks since the machine started; `undefined` where /proc is not there. */
  readonly startTicks?: number | undefined;
  /** Of this start of the machine. */
  readonly bootId?: string | undefined;
}

/** This process, to be put on record. */
export function ownIdentity(): ProcessIdentity {
  return { pid: process.pid, startTicks: startTicksOf(process.pid), bootId: bootId() || undefined };
}

/** Whether that very process runs; a zombie does not. */
export function isAlive({ pid, startTicks, bootId: boot }: ProcessIdentity): boolean {
  if (boot !== undefined && boot !== bootId()) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  return startTicks === undefined || startTicksOf(pid) === startTicks;
}

function startTicksOf(pid: number): number | undefined {
  try {
    // The name of the program, in parentheses, may have blanks; the 20th field after it is the start.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? undefined : Number(fields[19]);
  } catch {
    return undefined;
  }
}
