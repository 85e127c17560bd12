// Every wrong option is refused with the key, the value, where it came from and what is allowed.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { OptionsError } from '../../src/daemon/errors.ts';
import { agentOptions, cacheServerOptions } from '../../src/daemon/node-options.ts';
import { resolveOptions } from '../../src/daemon/options.ts';

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'options-'));
});

afterAll(() => rmSync(folder, { recursive: true }));

/** The messages of all errors, one a line. */
function problems(argv: string[], environment: Record<string, string> = {}, options = agentOptions): string {
  try {
    resolveOptions(options, { argv, environment });
  } catch (error) {
    if (error instanceof OptionsError) return error.errors.map(({ message }) => message).join('\n');
    throw error;
  }
  return '';
}

function problemsOfFile(text: string): string {
  const file = join(folder, 'agent.yaml');
  writeFileSync(file, text);
  return problems(['--config', file]).replaceAll(file, 'FILE');
}

const tooLong = `/${'x'.repeat(107)}`;

describe('flags', () => {
  test.each([
    [
      ['--health-port', '70000'],
      'health-port: "70000" (from flag --health-port) is not allowed: give a whole number from 0 to 65535',
    ],
    [['--health-port=-1'], 'a whole number from 0 to 65535'],
    [['--metrics-port', '90x'], 'metrics-port: "90x"'],
    [['--metrics-port', '1e3'], 'metrics-port: "1e3"'],
    [['--metrics-port='], 'metrics-port: ""'],
    [
      ['--probe-interval', '5'],
      'probe-interval: "5" (from flag --probe-interval) is not allowed: give a duration from 100ms to 1h with its unit',
    ],
    [['--probe-interval', '1ms'], 'a duration from 100ms to 1h'],
    [['--probe-deadline', '0s'], 'probe-deadline: "0s"'],
    [['--probe-init-deadline', '2h'], 'probe-init-deadline: "2h"'],
    [['--telemetry-interval', 'soon'], 'telemetry-interval: "soon"'],
    [['--heartbeat-interval', '10ms'], 'heartbeat-interval: "10ms"'],
    [['--shutdown-delay', '11m'], 'shutdown-delay: "11m"'],
    [['--shutdown-timeout=-1s'], 'shutdown-timeout: "-1s"'],
    [
      ['--name-format', 'upper'],
      'name-format: "upper" (from flag --name-format) is not allowed: give lowercase or raw',
    ],
    [['--log-format', 'xml'], 'give json or text'],
    [['--log-level', 'verbose'], 'give trace, debug, info, warn, error or fatal'],
    [['--watch-queue-size', '0'], 'give a whole number from 1 to 100000'],
    [['--watch-history-size', '1.5'], 'watch-history-size: "1.5"'],
    [
      ['--socket-mode', '0999'],
      'socket-mode: "0999" (from flag --socket-mode) is not allowed: give a file mode in octal',
    ],
    [['--socket-mode', '66'], 'socket-mode: "66"'],
    [['--socket-group', 'a b'], 'socket-group: "a b"'],
    [['--unix-socket', tooLong], 'give a path of at most 107 bytes'],
    [['--unix-socket='], 'give a path of at most 107 bytes'],
    [
      ['--grpc-address', '50051'],
      'grpc-address: "50051" (from flag --grpc-address) is not allowed: give HOST:PORT, or nothing for no TCP',
    ],
    [
      ['--grpc-allow-writes=maybe'],
      'grpc-allow-writes: "maybe" (from flag --grpc-allow-writes) is not allowed: give true or false',
    ],
    [['--listen-host', 'a b'], 'listen-host: "a b"'],
    [['--data-dir='], 'data-dir: ""'],
    [['--node-name=-x'], 'node-name: "-x"'],
    [['--node-name', 'x'.repeat(254)], 'a name of at most 253'],
    [['--condition-polarity', 'Overheated=worse'], 'give Type=good, bad or info, separated by commas'],
    [['--condition-polarity', 'Overheated'], 'condition-polarity: "Overheated"'],
    [
      ['--ignored-xids', '13,x'],
      'ignored-xids: "13,x" (from flag --ignored-xids) is not allowed: give XIDs from 1 to 1023',
    ],
    [['--fatal-xids', '0'], 'fatal-xids: "0"'],
    [['--fatal-xids', '1024'], 'fatal-xids: "1024"'],
    [['--health-checks', 'maybe'], 'health-checks: "maybe" (from flag --health-checks) is not allowed: give on or off'],
    [['--kernel-log', 'yes'], 'give auto, on or off'],
    [['--benchmark-interval', '24'], 'give a duration from 0s to 8760h'],
    [['--benchmark-effort', 'hard'], 'give quick, normal or thorough'],
    [['--compute-devices', 'gpu-a'], 'give GPU=NUMBER, separated by commas, or nothing for none'],
    [['--compute-devices', 'gpu-a=x'], 'compute-devices: "gpu-a=x"'],
    [['--compute-devices', 'gpu-a=0,GPU-A=1'], 'compute-devices: "gpu-a=0,GPU-A=1"'],
    [['--health-quiet-period', '5'], 'give a duration from 0s to 24h'],
    [['--sources', 'rocm'], 'give auto, or a list of nvml, amd, intel or simulated'],
    [['--sources', 'auto,nvml'], 'sources: "auto,nvml"'],
    [['--simulate='], 'simulate: ""'],
    [['--nvml-library='], 'nvml-library: ""'],
    [['--config', '/nowhere/agent.yaml'], 'config: cannot read /nowhere/agent.yaml: ENOENT'],
    [['--health-port', '1', '--health-port', '2'], 'health-port: given more than once by flag --health-port'],
    [['--health-port'], 'health-port: --health-port has no value: give a whole number'],
    [['--helth-port', '1'], '--helth-port: no such option (from the command line); did you mean --health-port?'],
    [['--healthPort', '1'], '--healthPort: no such option (from the command line); did you mean --health-port?'],
    [['--no-grpc-allow-writes'], 'did you mean --grpc-allow-writes=false?'],
    [['--quite-something-else'], '--quite-something-else: no such option (from the command line)'],
    [['-p', '1'], '-p: no such option'],
    [['start'], '"start": only options are taken here'],
  ])('%j', (argv, expected) => {
    expect(problems(argv)).toContain(expected);
    expect(problems(argv).split('\n')).toHaveLength(1);
  });
});

describe('the environment', () => {
  test('is named with its variable', () => {
    expect(problems([], { DEVICE_API_HEALTH_PORT: 'x' })).toContain('"x" (from environment DEVICE_API_HEALTH_PORT)');
    expect(problems([], { NODE_NAME: 'a b' })).toContain('node-name: "a b" (from environment NODE_NAME)');
  });

  test('is not looked at where a flag is given', () => {
    expect(problems(['--health-port', '1'], { GPUBROKER_HEALTH_PORT: 'x' })).toBe('');
  });
});

describe('the file', () => {
  test.each([
    ['health-port: 70000', 'health-port: "70000" (from file FILE) is not allowed'],
    ['helth-port: 1', 'helth-port: no such option (from file FILE); did you mean health-port?'],
    ['probe-interval: 5', 'probe-interval: "5" (from file FILE)'],
    ['health-port: [1, 2]', 'health-port: "'],
    ['health-port:\n  nested: 1', 'health-port: "'],
    ['health-port: 1\nhealthPort: 2', 'health-port: given more than once by file FILE'],
    ['health-port: 1\nhealth-port: 2', 'config: cannot read FILE: Map keys must be unique'],
    ['config: other.yaml', 'config: no such option (from file FILE)'],
    ['- health-port', 'config: cannot read FILE: its top level is not a mapping'],
    ['just words', 'config: cannot read FILE: its top level is not a mapping'],
    ['a: [', 'config: cannot read FILE:'],
  ])('%j', (text, expected) => {
    expect(problemsOfFile(text)).toContain(expected);
    expect(problemsOfFile(text).split('\n')).toHaveLength(1);
  });

  test.each(['', '# nothing\n', '---\n'])('may be empty: %j', (text) => {
    expect(problemsOfFile(text)).toBe('');
  });
});

describe('together', () => {
  test('all problems are reported at once', () => {
    const found = problems(['--health-port', 'x', '--bogus'], { GPUBROKER_LOG_LEVEL: 'loud' }).split('\n');
    expect(found).toHaveLength(3);
  });

  test.each([
    [['--grpc-address', '0.0.0.0:50051'], 'grpc-address: 0.0.0.0:50051 can be reached from other machines'],
    [['--grpc-address', '0.0.0.0:50051', '--grpc-allow-writes'], 'can be reached from other machines'],
    [['--grpc-address', '[::]:1', '--tls-cert', 'c', '--tls-key', 'k'], 'can be reached from other machines'],
    [['--tls-cert', 'c'], 'only one of tls-cert and tls-key is given'],
    [['--health-port', '9', '--metrics-port', '9'], 'health-port and metrics-port are both 9'],
  ])('%j', (argv, expected) => {
    expect(problems(argv)).toContain(expected);
  });

  test.each([
    [['--grpc-address', '0.0.0.0:50051', '--grpc-allow-writes', '--tls-cert', 'c', '--tls-key', 'k']],
    [['--grpc-address', 'localhost:50051']],
    [['--grpc-address=']],
    [['--health-port', '0', '--metrics-port', '0']],
  ])('%j is allowed', (argv) => {
    expect(problems(argv)).toBe('');
  });
});

test("the cache server does not know the agent's options", () => {
  expect(() => resolveOptions(cacheServerOptions, { argv: ['--sources', 'nvml'], environment: {} })).toThrow(
    '--sources: no such option',
  );
});
