// The agent joined to a broker: the link with its folder, its options, its metrics and what it means for readiness.
import { join } from 'node:path';
import { brokerChannel } from '../broker-client/channel.ts';
import { CredentialFolder } from '../broker-client/credential-store.ts';
import { readToken } from '../broker-client/enrol.ts';
import { nodeIdentity } from '../broker-client/identity.ts';
import { createBrokerLink, type LinkState } from '../broker-client/link.ts';
import { Spool } from '../broker-client/spool/spool.ts';
import { bootId } from '../daemon/boot-id.ts';
import type { DaemonContext } from '../daemon/daemon.ts';
import type { AgentOptions } from '../daemon/node-options.ts';
import type { Readiness } from '../daemon/readiness.ts';
import { observeLink } from './broker-link-metrics.ts';
import { HeldGpusFile } from './held-gpus.ts';
import type { MeasurementsAccess } from './measurements/contract.ts';
import { CacheState, type CacheStateOptions } from './node-state.ts';
import { ProofChallenges } from './proof-challenges.ts';

/** What the broker is told about. */
export interface AgentState extends CacheStateOptions {
  /** Where the GPUs come from. */
  readonly sources: readonly string[];
  /** Resolves when they have been looked through: before, a GPU that is not there yet must not look gone. */
  readonly looked: Promise<void>;
  /** What was measured of the GPUs. */
  readonly measurements: MeasurementsAccess;
}

/** An agent that has a broker. */
export interface JoinedBroker {
  /** Resolves with the reason if the node cannot join and never will. */
  readonly failed: Promise<Error>;
  stop(): Promise<void>;
}

/**
 * Begins to join, or to connect; returns before the broker has answered.
 *
 * @throws CodedError when a file that this needs cannot be used, or there is neither credential nor token
 */
export async function joinBroker(context: DaemonContext<AgentOptions>, state: AgentState): Promise<JoinedBroker> {
  const { options, log, readiness, registry } = context;
  const { brokerUrl, brokerCa, brokerClientCert, brokerClientKey, onboardingTokenFile } = options;
  const folder = join(options.dataDir, 'broker');
  const channel = brokerChannel(brokerUrl, { ca: brokerCa, clientCert: brokerClientCert, clientKey: brokerClientKey });
  const store = new CredentialFolder(folder);
  const held = new HeldGpusFile(join(folder, 'held-gpus.json'), log);
  const token = () => readToken(onboardingTokenFile);
  if (!store.current) token();
  const spool = await Spool.open({
    folder: join(folder, 'spool'),
    telemetryBytes: options.spoolSize,
    boot: bootId(),
    trouble: (reason) => {
      if (reason === undefined) readiness.ok('spool');
      else readiness.warn('spool', `what the broker has not stored waits in memory only: ${reason}`);
    },
    warning: (message) => log.warn(message),
  });
  state.book.addUse(({ name }) => ({ leased: held.has(name) }));
  held.onChange(() => state.book.useChanged());
  const challenges = new ProofChallenges(state.measurements, log);
  const link = createBrokerLink({
    channel,
    store,
    spool,
    source: new CacheState(state),
    measurements: await state.measurements.measurements(),
    identity: nodeIdentity(options, state.sources),
    token,
    telemetryInterval: options.telemetryInterval,
    log,
    onChange: (now) => {
      judgeLink(readiness, now);
      challenges.linkChanged(now);
    },
    onHeld: (gpus) => held.keep(gpus),
    onChallenge: (challenge) => challenges.answer(challenge),
    onStanding: ({ cordoned, draining }) => log.info({ cordoned, draining }, 'the standing of the node'),
  });
  observeLink(registry, { link, spool });
  judgeLink(readiness, link.state);
  const running = state.looked.then(() => seen(state.cache)).then(() => link.run());
  const failed = new Promise<Error>((resolve) => running.catch(resolve));
  return {
    failed,
    stop: async () => {
      challenges.stop();
      await link.stop();
      await spool.close();
    },
  };
}

/** Resolves when the cache shows what was written to it before this call. */
function seen(cache: AgentState['cache']): Promise<void> {
  return new Promise((resolve) => cache.read(() => resolve()));
}

/** A node without its broker serves on: that is never more than a warning. */
function judgeLink(readiness: Readiness, { phase, reason }: LinkState): void {
  if (phase === 'streaming') readiness.ok('broker');
  else if (phase !== 'stopped') readiness.warn('broker', reason || `not connected yet: ${phase}`);
}
