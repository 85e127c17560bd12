// XIDs in the kernel's log: how its records look, and which of them are XIDs.
//
//   6,1234,5678901,-;NVRM: Xid (PCI:0000:3b:00): 79, pid=4321, name=python3, GPU has fallen off the bus.

/** An XID as the kernel's log tells of it. */
export interface KernelXid {
  /** Domain, bus and device, as sysfs spells them: `0000:3b:00`. */
  readonly address: string;
  readonly code: number;
}

/** Characters of a record without its end; what is longer is none of ours. */
const MAX_RECORD = 8_192;

/** The XID of a record, if it is one. */
export function xidOfRecord(record: string): KernelXid | undefined {
  const found = /NVRM: Xid \(PCI:([0-9a-fA-F]{4,8}):([0-9a-fA-F]{2}):([0-9a-fA-F]{2})(?:\.\d)?\): (\d{1,4}),/.exec(
    record,
  );
  const [, domain, bus, device, code] = found ?? [];
  if (domain === undefined || bus === undefined || device === undefined) return undefined;
  const shortDomain = Number.parseInt(domain, 16).toString(16).padStart(4, '0');
  return { address: `${shortDomain}:${bus}:${device}`.toLowerCase(), code: Number(code) };
}

/** Makes records of what was read in pieces. */
export class Records {
  #rest = '';

  /** Takes a piece; returns the records that it completes. */
  take(piece: string): string[] {
    const lines = (this.#rest + piece).split('\n');
    this.#rest = (lines.pop() ?? '').slice(0, MAX_RECORD);
    return lines;
  }

  /** Forgets what was not complete. */
  reset(): void {
    this.#rest = '';
  }
}
