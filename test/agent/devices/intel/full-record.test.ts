// Intel's cards as i915 and xe show them, through the real probe process: the whole record and all readings.
import { expect, onTestFinished, test } from 'vitest';
import { addArcB580, addFlex170, addIntelInCpu } from '../../../fixtures/host/intel-cards.ts';
import { until } from '../watched-source.ts';
import { watchIntel, watchReadIntel } from './watch-intel.ts';

const link = { linkGeneration: 4, maxLinkGeneration: 4, linkWidth: 16, maxLinkWidth: 16 };

test('a Flex 170 with i915', async () => {
  const { device } = await watchReadIntel((tree) => addFlex170(tree, '0000:4d:00.0'));
  expect(device(0)).toMatchObject({ condition: 'IntelReady', source: 'intel', state: 'ok' });
  expect(device(0).record).toEqual({
    index: 0,
    uuid: expect.stringMatching(/^PCI-[0-9a-f]{16}$/),
    vendor: 'intel',
    model: 'Intel Data Center GPU Flex 170',
    architecture: 'xe-hpg',
    numaNode: 0,
    pci: { busId: '00000000:4D:00.0', deviceId: 0x56c08086, subsystemId: 0x49058086, ...link },
    clocks: { maxGraphicsMhz: 2050 },
    powerLimits: { enforcedMilliwatts: 150_000, defaultMilliwatts: 150_000 },
    witnesses: { pci: { deviceId: 0x56c08086, subsystemId: 0x49058086 } },
  });
  expect(device(0).readings).toEqual({
    timeMs: expect.any(Number),
    temperatureCelsius: 52,
    energyMillijoules: 5_000,
    graphicsMhz: 1950,
    smMhz: 1950,
    throttleReasons: ['power-cap'],
  });
});

test('an Arc B580 with xe', async () => {
  const { device } = await watchReadIntel((tree) => addArcB580(tree, '0000:03:00.0'));
  expect(device(0).record).toEqual({
    index: 0,
    uuid: expect.stringMatching(/^PCI-[0-9a-f]{16}$/),
    vendor: 'intel',
    model: 'Intel Arc B580 Graphics',
    architecture: 'xe2',
    pci: { busId: '00000000:03:00.0', deviceId: 0xe20b8086, subsystemId: 0x11008086, ...link },
    memory: { totalBytes: 12 * 2 ** 30 },
    clocks: { maxGraphicsMhz: 2850 },
    powerLimits: { enforcedMilliwatts: 190_000, defaultMilliwatts: 190_000 },
    witnesses: { pci: { deviceId: 0xe20b8086, subsystemId: 0x11008086 } },
  });
  expect(device(0).readings).toEqual({
    timeMs: expect.any(Number),
    temperatureCelsius: 44,
    memoryTemperatureCelsius: 50,
    energyMillijoules: 9_000,
    graphicsMhz: 0,
    smMhz: 0,
    throttleReasons: [],
  });
});

test('power is the energy between two readings, by the time between them', async () => {
  const watched = watchIntel((tree) => {
    const card = addArcB580(tree, '0000:03:00.0');
    let microjoules = 9_000_000;
    // 60 W, as well as a timer can.
    const timer = setInterval(() => {
      microjoules += 1_200_000;
      card.set({ 'hwmon/hwmon5/energy1_input': microjoules });
    }, 20);
    onTestFinished(() => clearInterval(timer));
  });
  const power = () => watched.supervisor.views().devices[0]?.readings?.powerMilliwatts;
  await until(() => power() !== undefined);
  expect(power()).toBeGreaterThan(20_000);
  expect(power()).toBeLessThan(70_000);
});

test('a GPU in a CPU is not listed, with either driver', async () => {
  for (const driver of ['i915', 'xe'] as const) {
    const watched = watchIntel((tree) => addIntelInCpu(tree, driver));
    await until(() => watched.source().enumerated);
    expect(watched.source()).toMatchObject({ state: 'running', devices: 0 });
  }
});

test('without a driver, the source says so', async () => {
  const watched = watchIntel(() => undefined);
  await until(() => watched.source().state === 'failed');
  expect(watched.source().message).toBe('the kernel has no driver i915 or xe loaded');
});
