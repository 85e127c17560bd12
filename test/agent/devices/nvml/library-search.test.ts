// The library is found by its path, by name, or under the driver root; when it is nowhere, the message says where it was sought.
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createNvmlSource } from '../../../../src/agent/devices/nvml/source.ts';
import { startDriver } from './open-source.ts';

// A name that no machine has, so that a real driver cannot answer for the fake one.
const library = 'libnvidia-ml-of-this-test.so.1';

function driverRoot(): string {
  const root = mkdtempSync(join(tmpdir(), 'driver-root-'));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  return root;
}

test.each(['usr/lib/x86_64-linux-gnu', 'usr/lib64', 'usr/lib/wsl/lib'])(
  'it is found in %s of the driver root',
  (folder) => {
    const driver = startDriver();
    const root = driverRoot();
    mkdirSync(join(root, folder), { recursive: true });
    copyFileSync(driver.libraryPath, join(root, folder, library));
    const source = createNvmlSource({ library, driverRoot: root });
    source.open();
    onTestFinished(() => source.close());
    expect(source.count()).toBe(1);
  },
);

test('a library that is nowhere is sought in every place, each of which is named', () => {
  const root = driverRoot();
  const source = createNvmlSource({ library, driverRoot: root });
  const tried = [library, join(root, 'usr/lib64', library), join(root, 'usr/lib', library)];
  for (const place of tried) {
    expect(() => source.open()).toThrow(
      expect.objectContaining({ fault: 'driver-gone', message: expect.stringContaining(`${place}: `) }),
    );
  }
});

test('a path is taken at its word', () => {
  const source = createNvmlSource({ library: '/no/such/libnvidia-ml.so.1' });
  expect(() => source.open()).toThrow(
    expect.objectContaining({
      fault: 'driver-gone',
      message: 'no NVML library could be loaded; tried /no/such/libnvidia-ml.so.1: no such file',
    }),
  );
});

test('a file that is no library is said to be none', () => {
  const path = join(driverRoot(), library);
  writeFileSync(path, 'not a library');
  expect(() => createNvmlSource({ library: path }).open()).toThrow(
    expect.objectContaining({ fault: 'driver-gone', message: expect.stringContaining(`${path}: `) }),
  );
});
