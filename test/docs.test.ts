// Keeps the documentation true: what the program has, the pages name, and what they link to exists.
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Command } from 'commander';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { describe, expect, test } from 'vitest';
import { observeLink } from '../src/agent/broker-link-metrics.ts';
import { observeMeasurements } from '../src/agent/measurements/metrics.ts';
import { countXids, observeHealth, observeSources } from '../src/agent/metrics.ts';
import { observePodResources } from '../src/agent/occupancy/occupancy.ts';
import { LatestDevices } from '../src/agent/telemetry/latest-devices.ts';
import { observeDevices } from '../src/agent/telemetry/metrics.ts';
import { limits } from '../src/cache-server/limits.ts';
import { exitCodes } from '../src/cli/exit-codes.ts';
import { createProgram } from '../src/cli/program.ts';
import { brokerOptions } from '../src/daemon/broker-options.ts';
import { devicePluginOptions } from '../src/daemon/device-plugin-options.ts';
import { agentOptions } from '../src/daemon/node-options.ts';
import { upOptions } from '../src/daemon/up-options.ts';
import { observeDevicePlugin } from '../src/device-plugin/metrics.ts';
import { startCacheServer } from './fixtures/cache-server.ts';

const root = join(import.meta.dirname, '..');
const textOf = (path: string) => readFileSync(join(root, path), 'utf8');
const pages = ['README.md', ...globSync('docs/*.md', { cwd: root })];
const operations = textOf('docs/operations.md');
const configuration = textOf('docs/configuration.md');
const allPages = pages.map(textOf).join('\n');
const upOptionsOfItsOwn = Object.fromEntries(
  Object.entries(upOptions.table).filter(([name]) => !Object.hasOwn(agentOptions.table, name)),
);

/** A link that has done nothing. */
const nothingMissing = () => ({ gone: [], unshown: [] });
const noLink: Parameters<typeof observeLink>[1] = {
  link: {
    state: {
      phase: 'stopped',
      reason: '',
      reconnects: 0,
      nodeId: undefined,
      lastStored: undefined,
      standing: undefined,
    },
  },
  spool: { bytes: () => 0, dropped: () => 0 },
};

/** The words that no page shows as code. */
function unnamed(words: Iterable<string>, page: string): string[] {
  return [...words].filter((word) => !page.includes(`\`${word}\``));
}

test.each([
  ['of a node', agentOptions.table],
  ['of the broker', brokerOptions.table],
  ['of the device plugin', devicePluginOptions.table],
  ['of up', upOptionsOfItsOwn],
])('every option %s stands in configuration.md, with its default and what is allowed', (_whose, table) => {
  const lines = configuration.split('\n');
  const wrong = Object.entries(table).filter(([name, { allowed, fallbackText }]) => {
    const rows = lines.filter((line) => line.startsWith(`| \`${name}\` |`));
    return !rows.some((row) => row.includes(fallbackText) && row.includes(allowed));
  });
  expect(wrong.map(([name]) => name)).toEqual([]);
});

test('the memory flags of daemons stand in configuration.md', () => {
  const [flags = 'none'] = /--max-semi-space-size.*(?= "\$program")/.exec(textOf('bin/gpubroker')) ?? [];
  expect(configuration).toContain(`\`${flags}\``);
});

test('every exit code stands in command-line.md', () => {
  const page = textOf('docs/command-line.md');
  const codes = Object.values(exitCodes).filter((code) => !page.includes(`\n| ${code} |`));
  expect(codes).toEqual([]);
});

test('every metric of a daemon stands in operations.md', async () => {
  const server = await startCacheServer();
  try {
    collectDefaultMetrics({ register: server.registry });
    observeSources(server.registry, () => [], 'on');
    observeHealth(server.registry, () => [], nothingMissing);
    countXids(server.registry);
    observeDevices(server.registry, new LatestDevices(), 'node');
    observeLink(server.registry, noLink);
    observePodResources(server, { isKnown: false });
    observeMeasurements(
      server.registry,
      () => [],
      () => 0,
    );
    observeDevicePlugin(server.registry, { knowledge: () => 'none', plugins: () => [] });
    // As a scrape names them, and those too that have no value yet.
    const scraped = [...(await server.registry.metrics()).matchAll(/^# TYPE (\S+)/gm)].map(([, name = '']) => name);
    expect(scraped).toContain('device_api_server_cache_gpus_total');
    expect(unnamed(scraped, operations)).toEqual([]);
  } finally {
    await server.remove();
  }
});

test('no metric stands in operations.md that does not exist', async () => {
  const server = await startCacheServer();
  try {
    const registry = Registry.merge([server.registry]);
    collectDefaultMetrics({ register: registry });
    observeSources(registry, () => [], 'on');
    observeHealth(registry, () => [], nothingMissing);
    countXids(registry);
    observeDevices(registry, new LatestDevices(), 'node');
    observeLink(registry, noLink);
    observePodResources({ registry }, { isKnown: false });
    observeMeasurements(
      registry,
      () => [],
      () => 0,
    );
    observeDevicePlugin(registry, { knowledge: () => 'none', plugins: () => [] });
    const known = new Set(registry.getMetricsAsArray().map(({ name }) => name));
    const rows = operations.split('\n').filter((line) => line.startsWith('| `'));
    const named = rows.flatMap((line) => [
      ...(line.split(' | ')[0] ?? '').matchAll(/`((?:DCGM|[a-z]+)_[A-Za-z0-9_]+)`/g),
    ]);
    expect(named.map(([, name = '']) => name).filter((name) => !known.has(name))).toEqual([]);
  } finally {
    await server.remove();
  }
});

test('every error code stands on a page, and no other', () => {
  const sources = globSync('src/**/*.ts', { cwd: root }).map(textOf);
  const codes = new Set(sources.flatMap((text) => text.match(/GPUB_[A-Z_]+[A-Z]/g) ?? []));
  expect(codes.size).toBeGreaterThan(20);
  expect(unnamed(codes, allPages)).toEqual([]);
  expect((allPages.match(/GPUB_[A-Z_]+[A-Z]/g) ?? []).filter((code) => !codes.has(code))).toEqual([]);
});

test('every metric of the broker stands on a page', () => {
  const sources = globSync('src/broker/**/*.ts', { cwd: root }).map(textOf);
  const metrics = new Set(
    sources.flatMap((text) => [...text.matchAll(/name: '(gpubroker_[a-z0-9_]+)'/g)].map(([, name = '']) => name)),
  );
  expect(metrics.size).toBeGreaterThan(20);
  expect(unnamed(metrics, allPages.replaceAll(/\{[a-z_, ]+\}`/g, '`'))).toEqual([]);
});

test('every command stands in command-line.md', () => {
  const page = textOf('docs/command-line.md');
  const words: string[] = [];
  const collect = (command: Command, place: string) => {
    const children = command.createHelp().visibleCommands(command);
    if (children.length === 0) words.push(place);
    for (const child of children) collect(child, `${place} ${child.name()}`);
  };
  collect(
    createProgram(() => undefined),
    'gpubroker',
  );
  expect(words.filter((word) => !page.includes(word))).toEqual([]);
});

test('every limit stands in device-api.md', () => {
  const page = textOf('docs/device-api.md');
  const shown = (limit: number) => page.includes(`| ${limit.toLocaleString('en')} |`);
  expect(Object.entries(limits).filter(([, limit]) => !shown(limit))).toEqual([]);
});

test('every target of make stands in development.md', () => {
  const targets = [...textOf('Makefile').matchAll(/^\.PHONY: (\S+)/gm)].map(([, name = '']) => `make ${name}`);
  expect(targets.length).toBeGreaterThan(10);
  expect(unnamed(targets, textOf('docs/development.md'))).toEqual([]);
});

describe('links', () => {
  test.each(pages)('of %s lead to files that exist', (page) => {
    const links = [...textOf(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target);
    const relative = links.filter((target) => !/^(?:https?:|#)/.test(target));
    const broken = relative.filter((target) => !existsSync(join(root, dirname(page), target.replace(/#.*/, ''))));
    expect(broken).toEqual([]);
  });
});
