// The source of AMD's cards: what amdgpu and KFD say in sysfs, in the terms of the device record.
//
// A card that is divided into compute partitions (`current_compute_partition` other than SPX) is one device all the same:
// it is let whole. What is not read: `pcie_bw`, which takes the driver a second.
import { present, presentOrNone } from '../absence.ts';
import { HostFiles } from '../host-files.ts';
import type { DeviceReadings, DeviceRecord } from '../record.ts';
import type { DeviceSource } from '../source.ts';
import type { Card } from '../sysfs/card.ts';
import { type CardReader, SysfsSource, type SysfsSourceOptions } from '../sysfs/source.ts';
import { clockLevels } from './dpm.ts';
import { architectureOf, kfdNodes, kfdProcesses } from './kfd.ts';
import { amdCards } from './kind.ts';
import { amdModels } from './models.ts';
import { badPages, memoryErrors } from './ras.ts';

/** Makes the source; nothing is read before {@link DeviceSource.open}. */
export function createAmdSource(options: SysfsSourceOptions): DeviceSource {
  return new SysfsSource(new AmdReader(new HostFiles(options.hostRoot)), options);
}

class AmdReader implements CardReader {
  readonly name = 'amd';
  readonly condition = 'AMDReady';
  readonly kind = amdCards;
  readonly #files: HostFiles;

  constructor(files: HostFiles) {
    this.#files = files;
  }

  fingerprint(card: Card) {
    return [
      card.line('current_compute_partition'),
      card.line('current_memory_partition'),
      card.milliwatts('power1_cap'),
    ];
  }

  read(card: Card): Partial<DeviceRecord> {
    const nodes = kfdNodes(this.#files, card.pci.busId);
    const target = nodes.find((node) => node.target)?.target;
    const units = nodes.reduce((sum, { computeUnits = 0 }) => sum + computeUnits, 0);
    return present({
      model: card.line('product_name') ?? amdModels.get(card.pci.deviceId),
      architecture: target === undefined ? undefined : architectureOf(target),
      boardPartNumber: card.line('product_number'),
      vbiosVersion: card.line('vbios_version'),
      multiprocessors: units || undefined,
      computePartition: card.line('current_compute_partition')?.toLowerCase(),
      memory: memoryOf(card),
      clocks: presentOrNone({
        maxGraphicsMhz: clockLevels(card.lines('pp_dpm_sclk')).highest ?? nodes.find((node) => node.maxMhz)?.maxMhz,
        maxMemoryMhz: clockLevels(card.lines('pp_dpm_mclk')).highest,
      }),
      powerLimits: presentOrNone({
        enforcedMilliwatts: card.milliwatts('power1_cap'),
        defaultMilliwatts: card.milliwatts('power1_cap_default'),
        minMilliwatts: card.milliwatts('power1_cap_min'),
        maxMilliwatts: card.milliwatts('power1_cap_max'),
      }),
      // The driver counts memory errors only where ECC is on, which only the board's firmware could change.
      ecc: memoryErrors(card) && { enabled: true, pending: true },
    });
  }

  sample(card: Card): Omit<DeviceReadings, 'timeMs'> {
    const mhz = clockOf(card, 'freq1_input', 'pp_dpm_sclk');
    return present({
      utilizationPercent: card.percent('gpu_busy_percent'),
      memoryUtilizationPercent: card.percent('mem_busy_percent'),
      memoryUsedBytes: card.integer('mem_info_vram_used'),
      temperatureCelsius: card.celsius('edge', 1) ?? card.celsius('junction', 2),
      memoryTemperatureCelsius: card.celsius('mem', 3),
      powerMilliwatts: card.milliwatts('power1_average') ?? card.milliwatts('power1_input'),
      graphicsMhz: mhz,
      // One clock drives both.
      smMhz: mhz,
      memoryMhz: clockOf(card, 'freq2_input', 'pp_dpm_mclk'),
      fanPercent: fanOf(card),
      pcieReplays: card.integer('pcie_replay_count'),
      eccErrors: memoryErrors(card),
      retiredPages: badPages(card),
      processes: kfdProcesses(this.#files, kfdNodes(this.#files, card.pci.busId)),
    });
  }
}

function memoryOf(card: Card): DeviceRecord['memory'] {
  const totalBytes = card.integer('mem_info_vram_total');
  return totalBytes ? { totalBytes } : undefined;
}

/** From the sensor in Hz, else from the level that is starred. */
function clockOf(card: Card, sensor: string, levels: string): number | undefined {
  const hertz = card.integer(card.sensor(sensor));
  return hertz === undefined ? clockLevels(card.lines(levels)).current : Math.round(hertz / 1_000_000);
}

function fanOf(card: Card): number | undefined {
  const width = card.integer(card.sensor('pwm1'));
  return width !== undefined && width <= 255 ? Math.round((width * 100) / 255) : undefined;
}
