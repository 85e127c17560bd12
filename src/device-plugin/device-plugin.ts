// The device plugin put together: what the device API says of the GPUs, offered as resources to the kubelet, as steps.
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DaemonContext } from '../daemon/daemon.ts';
import type { DevicePluginOptions } from '../daemon/device-plugin-options.ts';
import type { Step } from '../daemon/lifecycle.ts';
import { DeviceWatch } from './device-watch.ts';
import { type AttemptCounters, observeDevicePlugin } from './metrics.ts';
import { type Offers, offersOf } from './offers.ts';
import { PluginServer } from './plugin-server.ts';
import { Registration } from './registration.ts';

/** How often the kubelet's socket and this daemon's own are looked at, in milliseconds. */
const lookInterval = 1_000;

/** The steps of the device plugin, in order. */
export function devicePluginSteps(context: DaemonContext<DevicePluginOptions>): readonly Step[] {
  const resources = new Resources(context);
  return [
    { name: 'resources', start: () => resources.start(), stop: (force) => resources.stop(force) },
    { name: 'device API', start: () => resources.watch.start(), stop: () => resources.watch.stop() },
  ];
}

/** Every resource that this node offers, or has offered: one that has no devices left is offered without. */
class Resources {
  readonly watch: DeviceWatch;
  readonly #context: DaemonContext<DevicePluginOptions>;
  readonly #registrations = new Map<string, Registration>();
  readonly #counters: AttemptCounters;
  readonly #stopping = new AbortController();
  #problems = '';
  #looking: Promise<void> | undefined;

  constructor(context: DaemonContext<DevicePluginOptions>) {
    const { options, log, registry } = context;
    this.#context = context;
    this.watch = new DeviceWatch({
      socket: options.unixSocket,
      lostAfter: options.lostAfter,
      log,
      onChange: () => this.#offer(),
    });
    this.#counters = observeDevicePlugin(registry, {
      knowledge: () => this.watch.knowledge,
      plugins: () => [...this.#registrations.values()].map(({ plugin }) => plugin),
    });
    this.#judge();
  }

  start(): void {
    this.#looking = this.#look();
  }

  async stop(force: AbortSignal): Promise<void> {
    this.#stopping.abort();
    await this.#looking;
    await Promise.all([...this.#registrations.values()].map(({ plugin }) => plugin.close(force)));
  }

  /** Registers what is not registered, for as long as the daemon runs. */
  async #look(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      await Promise.all([...this.#registrations.values()].map((registration) => registration.keep()));
      this.#judge();
      await sleep(lookInterval, undefined, { signal }).catch(() => undefined);
    }
  }

  #offer(): void {
    const { options, log } = this.#context;
    const { knowledge, reason } = this.watch;
    // Nothing is offered before the first answer: the kubelet keeps what it knew before this daemon was started.
    if (knowledge !== 'none') {
      const lost = knowledge === 'lost' ? `the device API is away: ${reason}` : '';
      const offers = offersOf(this.watch.devices(), options, lost);
      this.#show(offers);
      const problems = offers.problems.join('; ');
      if (problems !== '' && problems !== this.#problems) log.warn({ problems }, 'devices are not offered');
      this.#problems = problems;
    }
    this.#judge();
  }

  #show({ resources }: Offers): void {
    for (const resource of resources.keys()) {
      if (!this.#registrations.has(resource)) this.#registrations.set(resource, this.#registration(resource));
    }
    for (const [resource, { plugin }] of this.#registrations) plugin.offer(resources.get(resource) ?? []);
  }

  #registration(resource: string): Registration {
    const { options, log } = this.#context;
    const { allocate, hostRoot, kubeletSocket } = options;
    const plugin = new PluginServer({
      resource,
      socket: join(dirname(kubeletSocket), `gpubroker-${resource.replace('/', '-')}.sock`),
      allocate,
      hostRoot,
      log,
      onAllocate: (result) => this.#counters.allocations.inc({ resource, result }),
    });
    const onAttempt = (result: string) => this.#counters.registrations.inc({ resource, result });
    return new Registration({ kubelet: kubeletSocket, plugin, log, onAttempt });
  }

  #judge(): void {
    const { readiness } = this.#context;
    const { knowledge, reason } = this.watch;
    if (knowledge === 'current') readiness.ok('device-api');
    else if (knowledge === 'recent') readiness.warn('device-api', reason);
    else readiness.notReady('device-api', reason);
    const registrations = [...this.#registrations.values()];
    const missing = registrations.filter((one) => one.reason !== '');
    if (registrations.length === 0) readiness.notReady('kubelet', 'no resource is registered yet');
    else if (missing.length === 0) readiness.ok('kubelet');
    else readiness.notReady('kubelet', missing.map((one) => `${one.plugin.resource}: ${one.reason}`).join('; '));
    if (this.#problems === '') readiness.ok('resources');
    else readiness.warn('resources', this.#problems);
  }
}
