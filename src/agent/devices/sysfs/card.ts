// One graphics card as sysfs shows it: the files of its PCI function, its DRM device and its sensors.
import type { HostFiles } from '../host-files.ts';
import type { PciFunction } from '../pci.ts';

/** Temperatures beyond this are what sensors say that do not work. */
const MAX_CELSIUS = 250;

/** The files of one card; paths are relative to the folder of its PCI function. */
export class Card {
  readonly pci: PciFunction;
  readonly #files: HostFiles;
  readonly #folder: string;

  constructor(files: HostFiles, pci: PciFunction) {
    this.#files = files;
    this.pci = pci;
    this.#folder = `sys/bus/pci/devices/${pci.busId}`;
  }

  line(path: string): string | undefined {
    return this.#files.line(`${this.#folder}/${path}`);
  }

  lines(path: string): string[] | undefined {
    return this.#files.lines(`${this.#folder}/${path}`);
  }

  integer(path: string): number | undefined {
    return this.#files.integer(`${this.#folder}/${path}`);
  }

  /** The first of these files that holds a number. */
  firstInteger(...paths: string[]): number | undefined {
    for (const path of paths) {
      const value = this.integer(path);
      if (value !== undefined) return value;
    }
    return undefined;
  }

  /** A share of 0 to 100. */
  percent(path: string): number | undefined {
    const value = this.integer(path);
    return value !== undefined && value <= 100 ? value : undefined;
  }

  exists(path = ''): boolean {
    return this.#files.exists(`${this.#folder}/${path}`);
  }

  /** The folders in a folder whose name is this word and a number, for instance `tile0`. */
  numbered(path: string, word: string): string[] {
    const names = this.#files.names(`${this.#folder}/${path}`);
    return names
      .filter((name) => new RegExp(`^${word}\\d+$`).test(name))
      .map((name) => (path ? `${path}/${name}` : name));
  }

  /** The folder of the DRM device that applications open; undefined where the driver has made none. */
  drm(): string | undefined {
    return this.numbered('drm', 'card')[0];
  }

  /** The file of one of the driver's sensors for the whole card; where there are none, of no file. */
  sensor(name: string): string {
    const folders = this.numbered('hwmon', 'hwmon');
    return `${folders.find((folder) => this.line(`${folder}/name`) === this.pci.driver) ?? 'hwmon/none'}/${name}`;
  }

  /** Degrees of the sensor with this label; of the one in this place where that has no label. */
  celsius(label: string, place: number): number | undefined {
    const labelled = [1, 2, 3, 4, 5].find((one) => this.line(this.sensor(`temp${one}_label`)) === label);
    const chosen = labelled ?? (this.exists(this.sensor(`temp${place}_label`)) ? undefined : place);
    const value = chosen === undefined ? undefined : this.integer(this.sensor(`temp${chosen}_input`));
    return value !== undefined && value <= MAX_CELSIUS * 1_000 ? Math.round(value / 1_000) : undefined;
  }

  /** A sensor's microwatts as milliwatts; 0 stands for a limit that is not set. */
  milliwatts(name: string): number | undefined {
    const value = this.integer(this.sensor(name));
    return value ? Math.round(value / 1_000) : undefined;
  }

  /** Whether the card has fallen off the bus: then every read of its registers gives ones. */
  isGone(): boolean {
    if (!this.exists()) return true;
    const id = this.#files.bytes(`${this.#folder}/config`, 4);
    return id?.length === 4 && id.every((byte) => byte === 0xff);
  }
}
