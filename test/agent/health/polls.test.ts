// What polled values become: every fault by its values, and what looks like one and is none.
import { describe, expect, test } from 'vitest';
import { type LookChanges, newBook } from './looks.ts';

const hot = { temperatureLimits: { slowdownCelsius: 87, memoryMaxCelsius: 95 } };
const links = (...active: boolean[]) => ({ nvlinks: active.map((up, link) => ({ link, active: up })) });
const rows = { correctable: 0, uncorrectable: 0, pending: false, failed: false };

interface Case {
  readonly name: string;
  readonly before?: LookChanges;
  readonly fault: LookChanges;
  /** Looks with the fault until it is told. */
  readonly looks?: number;
  readonly found: readonly string[];
}

const faults: Case[] = [
  { name: 'a GPU that is lost', fault: { state: 'lost', readings: null }, found: ['HardwareFailure/GpuLost'] },
  {
    name: 'a GPU that answers nothing until it is reset',
    fault: { state: 'reset-required', readings: null },
    found: ['ResetRequired/AnswersNothing'],
  },
  {
    name: 'uncorrectable errors since the driver was loaded',
    before: { readings: { eccErrors: { volatileUncorrected: 4 } } },
    fault: { readings: { eccErrors: { volatileUncorrected: 5 } } },
    found: ['HardwareFailure/UncorrectableEcc'],
  },
  {
    name: 'uncorrectable errors of the board, where the driver counts no others',
    before: { readings: { eccErrors: { aggregateUncorrected: 0 } } },
    fault: { readings: { eccErrors: { aggregateUncorrected: 1 } } },
    found: ['HardwareFailure/UncorrectableEcc'],
  },
  {
    name: 'a remapping that waits',
    fault: { readings: { remappedRows: { ...rows, pending: true } } },
    found: ['ResetRequired/RowRemapPending'],
  },
  {
    name: 'a remapping that failed',
    fault: { readings: { remappedRows: { ...rows, failed: true } } },
    found: ['HardwareFailure/RowRemapFailed'],
  },
  {
    name: 'a page that waits to be retired',
    fault: { readings: { retiredPages: { pending: true } } },
    found: ['ResetRequired/PageRetirementPending'],
  },
  ...(
    [
      ['reset', 'RecoveryReset'],
      ['reboot', 'RecoveryReboot'],
      ['drain-p2p', 'RecoveryDrainP2p'],
      ['drain-and-reset', 'RecoveryDrainAndReset'],
      ['imex', 'RecoveryImex'],
    ] as const
  ).map(([recoveryAction, reason]) => ({
    name: `the recovery action ${recoveryAction}`,
    fault: { readings: { recoveryAction } },
    found: [`ResetRequired/${reason}`],
  })),
  {
    name: 'the slowdown limit',
    fault: { record: hot, readings: { temperatureCelsius: 87 } },
    found: ['Degraded/Overheating'],
  },
  {
    name: "the memory's limit",
    fault: { record: hot, readings: { temperatureCelsius: 60, memoryTemperatureCelsius: 96 } },
    found: ['Degraded/Overheating'],
  },
  {
    name: 'clocks held down by heat',
    fault: { readings: { throttleReasons: ['hardware-thermal', 'hardware-slowdown'] } },
    looks: 2,
    found: ['Degraded/ThermalThrottling'],
  },
  {
    name: 'clocks held down by the power brake',
    fault: { readings: { throttleReasons: ['power-brake'] } },
    looks: 2,
    found: ['Degraded/HardwareThrottling'],
  },
  {
    name: 'a link that goes down',
    before: { record: links(true, true, false) },
    fault: { record: links(true, false, false) },
    found: ['Degraded/NvlinkDown'],
  },
  {
    name: 'a link that had to recover',
    before: { readings: { nvlinkErrors: { recovery: 0 } } },
    fault: { readings: { nvlinkErrors: { recovery: 1 } } },
    found: ['Degraded/NvlinkErrors'],
  },
  {
    name: 'a storm of corrected link errors',
    before: { readings: { nvlinkErrors: { crc: 10, replay: 0 } } },
    fault: { readings: { nvlinkErrors: { crc: 6_000, replay: 11 } } },
    found: ['Degraded/NvlinkErrors'],
  },
  {
    name: 'a storm of PCIe replays',
    before: { readings: { pcieReplays: 3 } },
    fault: { readings: { pcieReplays: 12 } },
    found: ['Degraded/PcieReplays'],
  },
];

test.each(faults)('$name', ({ before = {}, fault, looks = 1, found: expected }) => {
  const { look, found } = newBook();
  look(before);
  expect(found()).toEqual([]);
  for (let i = 1; i < looks; i += 1) {
    look(fault);
    expect(found()).toEqual([]);
  }
  look(fault);
  expect(found()).toEqual(expected);
});

describe('is none', () => {
  test.each<[string, LookChanges[]]>([
    ['a driver that says nothing', [{ readings: { recoveryAction: undefined } }]],
    ['an error that may pass', [{ state: 'failed', readings: null }]],
    ['a hang', [{ state: 'hung', readings: null }]],
    ['errors from before the first look', [{ readings: { eccErrors: { volatileUncorrected: 7 }, pcieReplays: 900 } }]],
    [
      'counters that begin again',
      [
        { readings: { eccErrors: { volatileUncorrected: 7 } } },
        { readings: { eccErrors: { volatileUncorrected: 0 } } },
      ],
    ],
    ['correctable errors', [{}, { readings: { eccErrors: { volatileCorrected: 12 } } }]],
    ['heat below the limit', [{ record: hot, readings: { temperatureCelsius: 86, memoryTemperatureCelsius: 94 } }]],
    ['heat without a known limit', [{ readings: { temperatureCelsius: 110 } }]],
    ['one throttled reading', [{ readings: { throttleReasons: ['hardware-slowdown'] } }, {}]],
    ['a power cap', Array.from({ length: 3 }, () => ({ readings: { throttleReasons: ['power-cap' as const] } }))],
    ['links that were never up', [{ record: links(false, true) }, { record: links(false, true) }]],
    [
      'a link that goes down in MIG mode',
      [
        { record: links(true) },
        { record: { ...links(false), parent: 'x', mig: { enabled: true, pending: true, instanceUuids: [] } } },
      ],
    ],
    ['a few PCIe replays', [{ readings: { pcieReplays: 0 } }, { readings: { pcieReplays: 8 } }]],
    [
      'PCIe replays over a long time',
      Array.from({ length: 12 }, (_, i) => ({ readings: { pcieReplays: 4 * i }, after: 61_000 })),
    ],
    ['a row that was remapped long ago', [{ readings: { remappedRows: { ...rows, uncorrectable: 1 } } }]],
  ])('%s', (_, looks) => {
    const { look, found } = newBook();
    for (const one of looks) look(one);
    expect(found()).toEqual([]);
  });
});

test('a message does not change while a fault lasts', () => {
  const { book, look } = newBook();
  const messages = new Set<string | undefined>();
  for (const degrees of [88, 91, 99]) {
    look({ record: hot, readings: { temperatureCelsius: degrees } });
    messages.add(book.findings('GPU-A')[0]?.message);
  }
  expect([...messages]).toEqual(['it is hot: at or over its slowdown limit of 87 °C']);
});
