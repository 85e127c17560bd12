// The fakes that are known from the field, each caught by a witness: through NVML, the real probe process and a host's files.
import { expect, onTestFinished, test } from 'vitest';
import type { Evidence, Verdict } from '../../../src/agent/identity/evidence.ts';
import { IdentityEvidence } from '../../../src/agent/identity/identity-evidence.ts';
import { createHostTree, type HostTree } from '../../fixtures/host/host-tree.ts';
import { addH100Pci, addWitnesses, informationPath } from '../../fixtures/host/nvidia-cards.ts';
import { removePciFunction } from '../../fixtures/host/pci.ts';
import { createFakeDriver, type FakeDriver } from '../../fixtures/nvml/fake-driver.ts';
import { until, watch } from '../devices/watched-source.ts';

/** What the witnesses say of each GPU, in the order of the driver, after the machine has been tampered with. */
async function examined(
  tamper: (driver: FakeDriver, tree: HostTree) => void,
  gpus = 1,
): Promise<(readonly Evidence[])[]> {
  const driver = createFakeDriver({ gpus });
  onTestFinished(() => driver.remove());
  const tree = createHostTree();
  addWitnesses(tree, driver);
  tamper(driver, tree);
  Object.assign(process.env, driver.env);
  const { source, supervisor } = watch({
    source: { name: 'nvml', library: driver.libraryPath, hostRoot: tree.root },
  });
  await until(() => source().enumerated && supervisor.views().devices.length === gpus);
  const { devices } = supervisor.views();
  const identity = new IdentityEvidence();
  for (const view of devices) identity.saw(view.uuid, view);
  return devices.map(({ uuid }) => identity.of(uuid));
}

const having = (evidence: readonly Evidence[] | undefined, wanted: Verdict) =>
  (evidence ?? []).filter(({ verdict }) => verdict === wanted).map(({ check, witness }) => `${check} ${witness}`);

/** Changes what NVML says of its first GPU. */
const patched = (changes: object) => (driver: FakeDriver) => driver.update(() => Object.assign(driver.gpu(0), changes));

test('an honest machine: every witness agrees', async () => {
  for (const evidence of await examined(() => undefined, 8)) {
    expect(having(evidence, 'disagrees')).toEqual([]);
    expect(having(evidence, 'unknown')).toEqual([]);
    expect(having(evidence, 'agrees')).toEqual([
      'pci-address sysfs',
      'pci-device-id sysfs',
      'pci-subsystem-id sysfs',
      'model pci-id-table',
      'memory pci-id-table',
      'driver-version release-rules',
      'driver-version kernel-module',
      'model kernel-module',
      'uuid kernel-module',
      'vbios-version kernel-module',
      'pci-address other-gpus',
      'serial other-gpus',
    ]);
  }
});

test.each<[version: string, caughtBy: string[]]>([
  ['999.99', ['driver-version release-rules', 'driver-version kernel-module']],
  ['550', ['driver-version release-rules', 'driver-version kernel-module']],
  ['450.80.02', ['driver-version release-rules', 'driver-version kernel-module']],
  ['580.65.06', ['driver-version kernel-module']],
])('a library that says driver %s', async (version, caughtBy) => {
  const [evidence] = await examined((driver) =>
    driver.update((state) => Object.assign(state, { driverVersion: version })),
  );
  expect(having(evidence, 'disagrees')).toEqual(caughtBy);
});

test('memory that no card of the model has', async () => {
  const [evidence] = await examined(patched({ memory: { total: 188 * 2 ** 30, reserved: 0, used: 0 } }));
  expect(evidence?.filter(({ verdict }) => verdict === 'disagrees')).toEqual([
    {
      check: 'memory',
      witness: 'pci-id-table',
      verdict: 'disagrees',
      message: 'the driver says 188.0 GiB, pci-id-table says 80 GiB',
    },
  ]);
});

test('a renamed card', async () => {
  const [evidence] = await examined(patched({ name: 'NVIDIA H200' }));
  expect(having(evidence, 'disagrees')).toEqual(['model pci-id-table', 'model kernel-module']);
});

test('a renamed card whose library lies about the id as well', async () => {
  const pci = { busId: '00000000:1A:00.0', deviceId: 0x233010de, subsystemId: 0x165810de };
  const [evidence] = await examined((driver, tree) => {
    patched({ pci })(driver);
    addH100Pci(tree, '0000:1a:00.0', { device: '0x2684' });
  });
  expect(having(evidence, 'disagrees')).toEqual(['pci-device-id sysfs', 'model pci-id-table', 'memory pci-id-table']);
});

test('one card that poses as eight, with seven addresses made up', async () => {
  const all = await examined((_driver, tree) => {
    for (const bus of ['1b', '4a', '4b', '8a', '8b', 'ca', 'cb']) {
      removePciFunction(tree, `0000:${bus}:00.0`);
      tree.remove(informationPath(`0000:${bus}:00.0`).replace('/information', ''));
    }
  }, 8);
  expect(having(all[0], 'disagrees')).toEqual([]);
  for (const evidence of all.slice(1)) {
    expect(having(evidence, 'disagrees')).toEqual([
      'pci-address sysfs',
      'model kernel-module',
      'uuid kernel-module',
      'vbios-version kernel-module',
    ]);
  }
});

test('one card that poses as eight at one address, with one serial number', async () => {
  const all = await examined((driver) => {
    const { pci, serial } = driver.gpu(0);
    driver.update((state) => {
      for (const gpu of state.gpus) Object.assign(gpu, { pci, serial });
    });
  }, 8);
  for (const evidence of all) {
    expect(having(evidence, 'disagrees')).toEqual(
      expect.arrayContaining(['pci-address other-gpus', 'serial other-gpus']),
    );
  }
  expect(all[0]?.at(-1)?.message).toMatch(/^the driver says \d+; so does GPU-.*, GPU-.*, GPU-.* and 4 more$/);
});

test('witnesses that cannot be heard contradict nobody', async () => {
  const [evidence] = await examined((_driver, tree) => {
    tree.remove('sys');
    tree.remove('proc');
  });
  expect(having(evidence, 'disagrees')).toEqual([]);
  expect(having(evidence, 'unknown')).toEqual([
    'pci-address sysfs',
    'pci-device-id sysfs',
    'pci-subsystem-id sysfs',
    'driver-version kernel-module',
    'model kernel-module',
    'uuid kernel-module',
    'vbios-version kernel-module',
  ]);
});

test('garbled files contradict nobody', async () => {
  const [evidence] = await examined((_driver, tree) => {
    tree.write('proc/driver/nvidia/version', '\u0000\u0001');
    tree.write(
      informationPath('0000:1a:00.0'),
      'Model\nGPU UUID: GPU-????????-????-????-????-????????????\nVideo BIOS: ??.??\n',
    );
    addH100Pci(tree, '0000:1a:00.0', { subsystem_vendor: 'garbled' });
  });
  expect(having(evidence, 'disagrees')).toEqual([]);
  expect(having(evidence, 'unknown')).toHaveLength(5);
});
