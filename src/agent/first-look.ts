// One look at a source before the agent serves it: whether there is any device. It runs in a probe process of its own,
// for a driver that hangs or crashes is no reason not to start; and it ends in any case.
import { formatDuration } from '../daemon/duration.ts';
import type { Log } from '../daemon/logger.ts';
import type { AgentOptions, SourceName } from '../daemon/node-options.ts';
import type { SourceView } from './devices/view.ts';
import { sourceOptions, superviseSource } from './sources.ts';

/** How many answers may take their whole deadline, beside the start of the driver. */
const slowAnswers = 4;

/**
 * Why a source shows no device; undefined when there is one, also one that does not answer.
 *
 * @throws the reason of `abort` (as a rejection) once that is aborted
 */
export async function whyNoDevice(
  name: SourceName,
  options: AgentOptions,
  log: Log,
  abort: AbortSignal,
): Promise<string | undefined> {
  const found = Promise.withResolvers<string | undefined>();
  const supervisor = superviseSource(
    sourceOptions(name, options),
    options,
    {
      deviceChanged: () => found.resolve(undefined),
      deviceRemoved: () => undefined,
      eventReported: () => undefined,
      sourceChanged: (source) => {
        const verdict = judge(source);
        if (verdict !== 'not yet') found.resolve(verdict.reason);
      },
    },
    log,
  );
  const giveUp = () => found.reject(abort.reason);
  const longest = options.probeInitDeadline + slowAnswers * options.probeDeadline;
  const timer = setTimeout(() => found.resolve(`no answer within ${formatDuration(longest)}`), longest);
  abort.addEventListener('abort', giveUp);
  try {
    abort.throwIfAborted();
    supervisor.start();
    return await found.promise;
  } finally {
    clearTimeout(timer);
    abort.removeEventListener('abort', giveUp);
    await supervisor.stop();
  }
}

/** A device that cannot be identified is one nevertheless: it may be lost, and it is real. */
function judge({ state, message, enumerated, devices, unidentified }: SourceView): { reason?: string } | 'not yet' {
  if (devices + unidentified > 0) return {};
  if (state === 'failed') return { reason: message };
  if (state === 'starting') return 'not yet';
  return { reason: enumerated ? 'the driver shows no device' : message };
}
