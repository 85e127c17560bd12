// The broker put together, as steps of a daemon's life: storage, who leads, what nodes report, the
// market, nodes, challenges, alerts, jobs, API.
import { rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { formatAddress, parseAddress } from '../daemon/address.ts';
import type { BrokerOptions } from '../daemon/broker-options.ts';
import type { DaemonContext } from '../daemon/daemon.ts';
import type { Step } from '../daemon/lifecycle.ts';
import { type Alerting, createAlerting } from './alerts/alerting.ts';
import { closeServer, listen } from './api/http/server.ts';
import { createNodeLink, type NodeLink } from './api/node-link/node-link.ts';
import { runSnapshotCommand } from './commit/snapshot-command.ts';
import { lastSeq } from './events/changes.ts';
import { followJournal, type Tail } from './events/tail.ts';
import { createHttpApi, type HttpApi, readSecret } from './http-api.ts';
import { bootstrapAdmin } from './identity/bootstrap.ts';
import { type RunningJobs, startJobs } from './jobs/jobs.ts';
import { type HeldGpus, tellHeldGpus } from './market/held-gpus.ts';
import { type OpenMarket, openMarket } from './open-market.ts';
import { cleanUpInventory } from './registry/clean-up.ts';
import { createIngest, type IngestService } from './registry/ingest/ingest.ts';
import { lastBackup } from './storage/administration.ts';
import { runBackupCommand } from './storage/backup/command.ts';
import { startScheduledBackups } from './storage/backup/scheduled.ts';
import { leadershipEnded } from './storage/errors.ts';
import { prepared } from './storage/folder.ts';
import { openStorage, type Storage } from './storage/open.ts';
import { type RunningTelemetryStore, startTelemetryStore } from './telemetry/store.ts';
import { loadTls, type Tls } from './tls/load.ts';
import { challengePlans } from './verification/challenge-plan.ts';
import { createChallenger, type RunningChallenger } from './verification/challenger.ts';
import { expireLabels } from './verification/expiry.ts';
import { createProductHistory } from './verification/history.ts';
import { readPlans } from './verification/plans-file.ts';
import { createRecords, type VerificationRecords } from './verification/records.ts';
import { createVerifier } from './verification/verifier.ts';

/** Where a broker can be reached, for the commands of its machine. */
const endpointsFile = 'endpoints.json';

/** The steps of the broker, in order. */
export function brokerSteps(context: DaemonContext<BrokerOptions>): readonly Step[] {
  const broker = new Broker(context);
  return [
    broker.storageStep(),
    broker.leaderStep(),
    broker.recordsStep(),
    broker.marketStep(),
    broker.nodeLinkStep(),
    broker.challengesStep(),
    broker.alertsStep(),
    broker.jobsStep(),
    broker.backupsStep(),
    broker.apiStep(),
  ];
}

/** The parts, each made by its step. */
class Broker {
  readonly #context: DaemonContext<BrokerOptions>;
  readonly #now = () => new Date();
  #storage!: Storage;
  #tls!: Tls;
  #telemetry!: RunningTelemetryStore;
  #ingest!: IngestService;
  #verifications!: VerificationRecords;
  #tail!: Tail;
  #market!: OpenMarket;
  #heldGpus!: HeldGpus;
  #nodeLink!: NodeLink;
  #challenger!: RunningChallenger;
  #alerting!: Alerting;
  #jobs!: RunningJobs;
  #api!: HttpApi;
  #nodeLinkPort = 0;

  constructor(context: DaemonContext<BrokerOptions>) {
    this.#context = context;
  }

  storageStep(): Step {
    const { options, log, readiness } = this.#context;
    return {
      name: 'storage',
      start: async (abort) => {
        const { dataDir: dataFolder, databaseUrl, databaseConnections: maxConnections } = options;
        readiness.notReady('database', 'still being opened');
        // Also beside a server of somebody else's: certificates and the first key lie there.
        prepared(dataFolder);
        this.#storage = await openStorage({ dataFolder, databaseUrl, maxConnections, log, now: this.#now, abort });
        readiness.ok('database');
        this.#storage.onState(({ isUp, reason }) => {
          if (isUp) readiness.ok('database');
          else readiness.notReady('database', reason);
        });
      },
      stop: () => this.#storage.close(),
    };
  }

  /** A standby waits here, and is not ready. */
  leaderStep(): Step {
    const { options, log, readiness } = this.#context;
    const lost = Promise.withResolvers<Error>();
    return {
      name: 'leadership',
      start: async (abort) => {
        const { leader, database } = this.#storage;
        // From the first moment: it may be lost while the other parts start.
        leader.onLost((reason) => lost.resolve(leadershipEnded(reason)));
        readiness.notReady('leadership', 'another broker leads; this one stands by');
        await leader.waitToLead(abort);
        readiness.ok('leadership');
        const keyFile = await bootstrapAdmin(database.db, this.#now(), options.dataDir);
        if (keyFile !== undefined) log.warn({ file: keyFile }, 'the first API key was made; whoever has it may do all');
      },
      failed: () => lost.promise,
    };
  }

  /** What nodes report, on its way into the database. */
  recordsStep(): Step {
    const { options, log, registry } = this.#context;
    return {
      name: 'records',
      start: async () => {
        const { database, leader } = this.#storage;
        const now = this.#now;
        const { pool } = database;
        this.#telemetry = startTelemetryStore({ pool, log, now, registry, retention: options.telemetryRetention });
        this.#ingest = createIngest({
          database: database.db,
          now,
          log,
          registry,
          heartbeatMs: options.heartbeatInterval,
          leaderCheck: (trx) => leader.check(trx),
        });
        await this.#ingest.start();
        this.#verifications = createRecords({
          db: database.db,
          now,
          registry,
          proofLifetime: options.verificationLifetime,
          history: createProductHistory(),
          leaderCheck: (trx) => leader.check(trx),
        });
        const after = await lastSeq(database.db);
        this.#tail = followJournal({ pool, after, log, onEvents: (events) => this.#ingest.heard(events) });
      },
      stop: async (force) => {
        await this.#tail.stop();
        await this.#ingest.close();
        await this.#telemetry.stop(force);
      },
    };
  }

  /** Orders that were acknowledged are back before nodes and people are served. */
  marketStep(): Step {
    const { options, log, registry, readiness } = this.#context;
    return {
      name: 'market',
      start: async () => {
        readiness.notReady('market', 'being read from the database');
        this.#market = await openMarket({ storage: this.#storage, options, log, registry, now: this.#now });
        readiness.ok('market');
      },
      stop: () => this.#market.close(),
    };
  }

  nodeLinkStep(): Step {
    const { options, log, registry } = this.#context;
    return {
      name: 'node link',
      start: async () => {
        const { dataDir: dataFolder, tlsCert, tlsKey, nodeClientCa: clientCa, nodeLinkAddress } = options;
        const names = [parseAddress(nodeLinkAddress)?.host ?? '', URL.parse(options.publicUrl)?.hostname ?? ''];
        const known = names.filter((name) => name !== '' && name !== '0.0.0.0' && name !== '::');
        const now = this.#now;
        this.#heldGpus = tellHeldGpus({
          db: this.#storage.database.db,
          pipeline: this.#market.pipeline,
          tell: (nodeId, gpus) => this.#nodeLink.links.tellHeld(nodeId, gpus),
          log,
        });
        this.#tls = await loadTls({ dataFolder, tlsCert, tlsKey, clientCa, names: known, log, now });
        this.#nodeLink = createNodeLink({
          db: this.#storage.database.db,
          ingest: this.#ingest,
          telemetry: this.#telemetry,
          measurements: this.#verifications,
          log,
          now,
          registry,
          heartbeatInterval: options.heartbeatInterval,
          allowSimulated: options.allowSimulated,
          credentialLifetime: options.nodeCredentialLifetime,
          credentials: this.#tls.credentials,
          onConnected: (nodeId) => this.#heldGpus.tell(nodeId),
        });
        this.#nodeLinkPort = await this.#nodeLink.start(nodeLinkAddress);
        log.info({ address: nodeLinkAddress, port: this.#nodeLinkPort }, 'serving nodes');
      },
      stop: async (force) => {
        await this.#heldGpus.stop();
        await this.#nodeLink.stop(force);
        this.#tls.close();
      },
    };
  }

  /** GPUs prove what they are. */
  challengesStep(): Step {
    const { options, log, registry } = this.#context;
    return {
      name: 'challenges',
      start: () => {
        const { links } = this.#nodeLink;
        this.#challenger = createChallenger({
          db: this.#storage.database.db,
          ask: (nodeId, work, deadline) => links.challenge(nodeId, work, deadline),
          isLive: (nodeId) => links.isLive(nodeId),
          verifier: createVerifier({ log, random: Math.random }),
          plans: challengePlans(readPlans(options.challengePlans)),
          records: this.#verifications,
          log,
          now: this.#now,
          registry,
          interval: options.challengeInterval,
        });
        this.#challenger.start();
      },
      stop: () => this.#challenger.stop(),
    };
  }

  alertsStep(): Step {
    const { options, log, registry } = this.#context;
    return {
      name: 'alerts',
      start: () => {
        const { smtpUrlFile, smtpFrom, allowPrivateWebhooks } = options;
        const smtp = smtpUrlFile === '' ? undefined : { url: readSecret(smtpUrlFile, 'smtp-url-file'), from: smtpFrom };
        this.#alerting = createAlerting({
          database: this.#storage.database.db,
          now: this.#now,
          random: Math.random,
          log,
          registry,
          smtp,
          destinations: { insecure: allowPrivateWebhooks, private: allowPrivateWebhooks },
        });
        this.#alerting.start();
      },
      stop: () => this.#alerting.stop(),
    };
  }

  jobsStep(): Step {
    const { options, log, registry } = this.#context;
    return {
      name: 'jobs',
      start: async () => {
        const { database, leader } = this.#storage;
        const staleAfterMs = options.staleAfter;
        this.#jobs = await startJobs({
          databaseUrl: database.url,
          log,
          now: this.#now,
          registry,
          settings: {
            telemetry: {
              raw: options.telemetryRetention,
              minutes: options.telemetryMinutesRetention,
              hours: options.telemetryHoursRetention,
            },
            journalRetention: options.journalRetention,
            historyRetention: options.historyRetention,
            marketJournalRetention: options.marketJournalRetention,
            takeMarketSnapshot: (signal) => runSnapshotCommand(database.url, signal),
            cleanUpInventory: async () => {
              const leaderCheck: typeof leader.check = (trx) => leader.check(trx);
              await cleanUpInventory(database.db, this.#now(), { staleAfterMs, leaderCheck });
            },
            expireLabels: async (signal) => {
              const leaderCheck: typeof leader.check = (trx) => leader.check(trx);
              const proofLifetime = options.verificationLifetime;
              await expireLabels({ db: database.db, now: this.#now, proofLifetime, leaderCheck, signal });
            },
          },
        });
      },
      stop: () => this.#jobs.stop(),
    };
  }

  /** Of the embedded server: one of somebody else's is backed up by him. */
  backupsStep(): Step {
    const { options, log, registry, readiness } = this.#context;
    let backups: { stop(): Promise<void> } | undefined;
    return {
      name: 'backups',
      start: () => {
        if (!this.#storage.isEmbedded) return;
        const { dataDir: dataFolder, backupInterval: interval, backupKeepDays: keepDays } = options;
        backups = startScheduledBackups({
          interval,
          last: () => lastBackup(dataFolder),
          take: (signal) => runBackupCommand({ dataFolder, keepDays }, signal),
          onWarning: (warning) => (warning === undefined ? readiness.ok('backup') : readiness.warn('backup', warning)),
          log,
          now: this.#now,
          random: Math.random,
          registry,
        });
      },
      stop: () => backups?.stop(),
    };
  }

  apiStep(): Step {
    const { options, log } = this.#context;
    const file = join(options.dataDir, endpointsFile);
    return {
      name: 'HTTP API',
      start: async () => {
        this.#api = await createHttpApi(
          this.#context,
          {
            storage: this.#storage,
            ingest: this.#ingest,
            telemetry: this.#telemetry,
            market: this.#market,
            links: this.#nodeLink.links,
            alerting: this.#alerting,
            challenger: this.#challenger,
            tls: this.#tls,
          },
          this.#now,
        );
        const port = await listen(this.#api.app, parseAddress(options.httpAddress) ?? { host: '127.0.0.1', port: 0 });
        log.info({ address: options.httpAddress, port }, 'serving the HTTP API');
        await writeFile(file, `${JSON.stringify(this.#endpoints(port), null, 2)}\n`);
      },
      stop: async (force) => {
        rmSync(file, { force: true });
        await closeServer(this.#api.app, force);
        this.#api.close();
      },
    };
  }

  #endpoints(httpPort: number) {
    const { httpAddress, nodeLinkAddress, tlsCert } = this.#context.options;
    const scheme = tlsCert === '' ? 'http' : 'https';
    return {
      pid: process.pid,
      http_url: `${scheme}://${reachable(httpAddress, httpPort)}`,
      node_link_url: `https://${reachable(nodeLinkAddress, this.#nodeLinkPort)}`,
    };
  }
}

/** An address as this machine reaches it: one that means "all" is no destination. */
function reachable(address: string, port: number): string {
  const { host = '127.0.0.1' } = parseAddress(address) ?? {};
  return formatAddress({ host: host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host, port });
}
