// The metrics of the cache server, under the names that users of NVIDIA's device API server know.
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { gpuHealth, type PolarityOverrides } from '../daemon/health.ts';
import { version } from '../daemon/version.ts';
import type { Cache, CacheObserver } from './cache.ts';
import { limits } from './limits.ts';

const prefix = 'device_api_server_';

/** What watching costs. */
export interface WatchMetrics {
  streamOpened(): void;
  streamClosed(dropped: number): void;
  /** Events of a type were handed to streams. */
  events(type: string, count: number): void;
}

export function createWatchMetrics(registry: Registry): WatchMetrics {
  const registers = [registry];
  const active = new Gauge({ name: `${prefix}watch_streams_active`, help: 'Streams that watch GPUs.', registers });
  const dropped = new Counter({
    name: `${prefix}watch_events_dropped_total`,
    help: 'Events that slow watchers did not get; each such watcher was cut off.',
    registers,
  });
  const events = new Counter({
    name: `${prefix}watch_events_total`,
    help: 'Events handed to watchers, by type.',
    labelNames: ['type'],
    registers,
  });
  return {
    streamOpened: () => active.inc(),
    streamClosed: (count) => {
      active.dec();
      dropped.inc(count);
    },
    events: (type, count) => events.inc({ type }, count),
  };
}

/** Counts what happens in the cache; the GPUs themselves are counted when somebody asks. */
export function observeCache(cache: Cache, registry: Registry, polarity: PolarityOverrides): void {
  const registers = [registry];
  const updates = new Counter({
    name: `${prefix}cache_updates_total`,
    help: 'Writes that succeeded, by operation and provider.',
    labelNames: ['operation', 'provider'],
    registers,
  });
  const waits = new Histogram({
    name: `${prefix}cache_lock_wait_seconds`,
    help: 'How long reads and writes waited for writes before them, in seconds; those that did not wait are not counted.',
    buckets: [0.00001, 0.0001, 0.001, 0.01, 0.1, 1],
    registers,
  });
  const contention = new Counter({
    name: `${prefix}cache_lock_contention_total`,
    help: 'Reads and writes that had to wait for a write before them.',
    registers,
  });
  const labels = new BoundedLabels(limits.providers);
  const observer: CacheObserver = {
    written: ({ kind, provider }) => updates.inc({ operation: kind, provider: labels.of(provider) }),
    waited: (seconds) => {
      contention.inc();
      waits.observe(seconds);
    },
  };
  cache.observe(observer);
  countGpus(cache, registry, polarity);
}

function countGpus(cache: Cache, registry: Registry, polarity: PolarityOverrides): void {
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name: prefix + name,
      help,
      registers: [registry],
      collect() {
        this.set(read());
      },
    });
  gauge('cache_gpus_total', 'GPUs in the cache.', () => countHealth(cache, polarity).total);
  gauge('cache_gpus_healthy', 'GPUs that may be scheduled on.', () => countHealth(cache, polarity).healthy);
  gauge('cache_gpus_unhealthy', 'GPUs with a bad condition.', () => countHealth(cache, polarity).unhealthy);
  gauge('cache_gpus_unknown', 'GPUs of which not enough is known.', () => countHealth(cache, polarity).unknown);
  gauge('cache_resource_version', 'The version of the cache.', () => cache.peek().version());
  new Gauge({
    name: `${prefix}provider_gpus_managed`,
    help: 'GPUs on which a provider owns conditions.',
    labelNames: ['provider_id'],
    registers: [registry],
    collect() {
      this.reset();
      const labels = new BoundedLabels(limits.providers);
      for (const { gpu } of cache.peek().entries()) {
        const providers = new Set(gpu.conditions.map(({ provider }) => labels.of(provider)));
        for (const provider_id of providers) this.inc({ provider_id });
      }
    },
  });
  new Gauge({
    name: `${prefix}info`,
    help: 'Always 1; says which version runs.',
    labelNames: ['version', 'node_version'],
    registers: [registry],
  }).set({ version, node_version: process.version }, 1);
}

/** How many GPUs there are, by health. */
export function countHealth(cache: Cache, polarity: PolarityOverrides) {
  const counts = { total: 0, healthy: 0, unhealthy: 0, unknown: 0 };
  for (const { gpu } of cache.peek().entries()) {
    counts.total += 1;
    counts[gpuHealth(gpu.conditions, polarity)] += 1;
  }
  return counts;
}

/** Keeps the number of different values of a label within bounds: those that come too late are counted as `other`. */
class BoundedLabels {
  readonly #known = new Set<string>();
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
  }

  of(value: string): string {
    if (this.#known.has(value)) return value;
    if (this.#known.size >= this.#most) return 'other';
    this.#known.add(value);
    return value;
  }
}

/** Whether the state can be written. */
export function watchStateFile(registry: Registry) {
  const registers = [registry];
  const missing = new Gauge({
    name: `${prefix}state_file_missing_changes`,
    help: '1 while the state file cannot be written and changes are served from memory, else 0.',
    registers,
  });
  const failures = new Counter({
    name: `${prefix}state_file_failures_total`,
    help: 'Failures to write the state file.',
    registers,
  });
  const damaged = new Counter({
    name: `${prefix}state_file_damaged_total`,
    help: 'Damaged state files that were found at start and set aside.',
    registers,
  });
  return {
    trouble(present: boolean) {
      missing.set(present ? 1 : 0);
      if (present) failures.inc();
    },
    damaged: () => damaged.inc(),
  };
}
