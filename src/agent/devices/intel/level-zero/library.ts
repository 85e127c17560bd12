// Intel's Level Zero, called through koffi, as far as it says how much memory each card has. The rules of this boundary
// are those of NVML's (../../nvml/library.ts): types outside, pointers inside; what is not given is undefined; calls are
// synchronous, may block for ever, and belong in the probe process.
import koffi, { type LibraryHandle } from 'koffi';

/** A driver, a card or a memory module, as long as the library is loaded. */
type Handle = bigint;
type Argument = number | bigint | Uint8Array | Uint32Array | BigUint64Array | null;
type Call = (...values: Argument[]) => number;

const handle = 'uintptr';
const out = 'void *';

const SUCCESS = 0;
/** What structures say of themselves in their first word. */
const PCI_PROPERTIES = { type: 0x2, size: 56 };
const MEMORY_PROPERTIES = { type: 0xb, size: 48 };
const MEMORY_STATE = { type: 0x1e, size: 40 };
/** Where memory is: in the card, not in the machine. */
const IN_CARD = 1;
/** Drivers, cards, or memory modules of a card that are looked at. */
const MAX_HANDLES = 256;

/** One memory module of a card. */
export interface MemoryModule {
  readonly bytes: number;
  /** Whether it belongs to one tile: then the card may list its memory once more as a whole. */
  readonly isOfTile: boolean;
}

/** Level Zero, loaded and started. It stays loaded: what it has started does not survive that it is unloaded. */
export class LevelZero {
  readonly #library: LibraryHandle;
  /** Newer drivers are asked by functions that start nothing else; older ones by those that compute. */
  readonly #prefix: 'zes' | 'ze';

  /**
   * Loads and starts it.
   *
   * @param path a path, or a name for the system's loader to find
   * @throws Error when it cannot be loaded or started
   */
  constructor(path: string) {
    this.#library = koffi.load(path);
    if (this.#function('zesInit', ['uint32'])?.(0) === SUCCESS) {
      this.#prefix = 'zes';
      return;
    }
    // Read by the library when it starts.
    process.env.ZES_ENABLE_SYSMAN = '1';
    this.#prefix = 'ze';
    if (this.#function('zeInit', ['uint32'])?.(0) !== SUCCESS) throw new Error(`${path} cannot be started`);
  }

  /** All cards of all drivers. */
  cards(): Handle[] {
    const drivers = this.#list(`${this.#prefix}DriverGet`, []);
    return drivers.flatMap((driver) => this.#list(`${this.#prefix}DeviceGet`, [driver]));
  }

  /** Where a card is, as sysfs spells it. */
  busId(card: Handle): string | undefined {
    const properties = this.#struct('zesDevicePciGetProperties', card, PCI_PROPERTIES);
    if (!properties) return undefined;
    const [domain, bus, device, part] = [16, 20, 24, 28].map((at) => properties.readUInt32LE(at).toString(16));
    return `${domain?.padStart(4, '0')}:${bus?.padStart(2, '0')}:${device?.padStart(2, '0')}.${part}`;
  }

  /** The memory in a card. */
  memory(card: Handle): MemoryModule[] {
    return this.#list('zesDeviceEnumMemoryModules', [card]).flatMap((module) => {
      const properties = this.#struct('zesMemoryGetProperties', module, MEMORY_PROPERTIES);
      if (properties?.readUInt32LE(28) !== IN_CARD) return [];
      // The size of the chips, which not every driver knows; else what can be allocated.
      const bytes =
        properties.readBigUInt64LE(32) ||
        this.#struct('zesMemoryGetState', module, MEMORY_STATE)?.readBigUInt64LE(32) ||
        0n;
      return bytes > 0n ? [{ bytes: Number(bytes), isOfTile: properties.readUInt8(20) !== 0 }] : [];
    });
  }

  /** Asks how many there are, then for all of them. */
  #list(name: string, about: Handle[]): Handle[] {
    const call = this.#function(name, [...about.map(() => handle), out, out]);
    const count = new Uint32Array(1);
    if (call?.(...about, count, null) !== SUCCESS) return [];
    const handles = new BigUint64Array(Math.min(count[0] ?? 0, MAX_HANDLES));
    count[0] = handles.length;
    if (handles.length === 0 || call(...about, count, handles) !== SUCCESS) return [];
    return [...handles.subarray(0, count[0])];
  }

  #struct(name: string, about: Handle, { type, size }: { type: number; size: number }): Buffer | undefined {
    const struct = Buffer.alloc(size);
    struct.writeUInt32LE(type);
    return this.#function(name, [handle, out])?.(about, struct) === SUCCESS ? struct : undefined;
  }

  #function(name: string, types: string[]): Call | undefined {
    try {
      // koffi types every function as unknown to it; the signature says what this one takes.
      return this.#library.func(name, 'int', types) as Call;
    } catch {
      return undefined; // koffi throws for a symbol that the library does not have
    }
  }
}
