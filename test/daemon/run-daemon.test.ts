// What a daemon's own steps are given, and what its defaults may be.
import { afterEach, describe, expect, test, vi } from 'vitest';
import { type Daemon, type DaemonContext, nodeEndpoints, runDaemon } from '../../src/daemon/daemon.ts';
import { type CacheServerOptions, cacheServerOptions } from '../../src/daemon/node-options.ts';
import { withDefaults } from '../../src/daemon/option-kinds.ts';
import { resolveOptions } from '../../src/daemon/options.ts';
import { FakeProcess } from './fake-process.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

const quiet = ['--health-port', '0', '--metrics-port', '0', '--shutdown-delay', '0s', '--log-level', 'fatal'];

function daemon(changes: Partial<Daemon<CacheServerOptions>> = {}): Daemon<CacheServerOptions> {
  const wholeDaemon = { name: 'test', summary: 'Tests.', examples: [], options: cacheServerOptions, steps: () => [] };
  return { ...wholeDaemon, endpoints: nodeEndpoints, ...changes };
}

test('steps share options, log, readiness, metrics and the start time', async () => {
  const host = new FakeProcess();
  let context: DaemonContext<CacheServerOptions> | undefined;
  const stopAtOnce = { name: 'stop', start: () => void host.emit('SIGTERM') };
  const steps = (given: DaemonContext<CacheServerOptions>) => {
    context = given;
    return [stopAtOnce];
  };
  expect(await runDaemon(daemon({ steps }), [...quiet, '--node-name', 'node-1'], host)).toBe(0);
  expect(context?.options).toMatchObject({ nodeName: 'node-1', shutdownDelay: 0 });
  expect(context?.logLevel.level()).toBe('fatal');
  expect(context?.readiness.reasons()).toContain('shutdown: stopping after SIGTERM');
  expect(await context?.registry.metrics()).toContain('nodejs_eventloop_lag_seconds');
  expect(Date.now() - (context?.startTime.getTime() ?? 0)).toBeLessThan(10_000);
});

test('wrong options are explained, and nothing starts', async () => {
  const stderr = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  const host = new FakeProcess();
  expect(await runDaemon(daemon(), ['--log-level', 'loud'], host)).toBe(2);
  expect(host.exits).toEqual([2]);
  expect(stderr).toHaveBeenCalledExactlyOnceWith(expect.stringMatching(/^gpubroker test: log-level: "loud" .*\n$/));
});

test('--help is shown, and nothing starts', async () => {
  const stdout = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  const host = new FakeProcess();
  expect(await runDaemon(daemon(), ['--help'], host)).toBe(0);
  expect(host.exits).toEqual([]);
  expect(stdout).toHaveBeenCalledExactlyOnceWith(expect.stringContaining('Usage: gpubroker test [options]'));
});

test('a table may be given other defaults, each as on the command line', () => {
  const table = withDefaults(cacheServerOptions.table, { 'shutdown-delay': '0s', 'grpc-address': '' });
  expect(table['shutdown-delay']?.fallback()).toBe(0);
  expect(table['grpc-address']?.fallbackText).toBe('none');
  expect(() => withDefaults(cacheServerOptions.table, { 'shutdown-delay': '5' })).toThrow('5 is no default');
});

describe('a default that is found out', () => {
  const withSocket = (find: () => string | undefined) => ({
    ...cacheServerOptions,
    table: withDefaults(cacheServerOptions.table, { 'unix-socket': { find, shown: 'your own' } }),
  });

  /** What is resolved without the environment of the tests. */
  const resolve = (find: () => string | undefined, ...argv: string[]) =>
    resolveOptions(withSocket(find), { argv, environment: {} });

  test('is not looked for where the option is given, nor for --help', () => {
    const find = vi.fn(() => '/own.sock');
    expect(withSocket(find).table['unix-socket']?.fallbackText).toBe('your own');
    expect(resolve(find, '--unix-socket', '/x.sock').values.unixSocket).toBe('/x.sock');
    expect(find).not.toHaveBeenCalled();
    expect(resolve(find).values.unixSocket).toBe('/own.sock');
  });

  test('may be the one that the table had', () => {
    expect(resolve(() => undefined).values.unixSocket).toBe('/var/run/device-api/device.sock');
  });

  test('is refused like any value where it is not allowed', () => {
    expect(() => resolve(() => `/${'x'.repeat(107)}`)).toThrow(
      /^unix-socket: "\/x+" \(from default\) is not allowed: give a path of at most 107 bytes$/,
    );
  });

  test('says why it cannot be found', () => {
    const find = () => {
      throw new Error('no home');
    };
    expect(() => resolve(find)).toThrow('unix-socket: no value is given, and its default cannot be found: no home');
  });
});
