// What one independent witness says of a device's identity, and how two values are compared.

/** What a witness said: the same as the driver, something else, or nothing that can be compared. */
export type Verdict = 'agrees' | 'disagrees' | 'unknown';

/** One comparison. It is reported whatever comes of it: nothing is hidden, and nothing follows from it by itself. */
export interface Evidence {
  /** What was compared, for instance `pci-device-id`. */
  readonly check: string;
  /** Who was asked, for instance `sysfs`. */
  readonly witness: string;
  readonly verdict: Verdict;
  /** Both values, for people. */
  readonly message: string;
}

/** Compares what the driver says with what a witness says, as texts, whatever their case. */
export function compare(check: string, witness: string, said: string | undefined, heard: string | undefined): Evidence {
  if (said === undefined || heard === undefined) {
    const message = `the driver says ${said ?? 'nothing'}; ${witness} says ${heard ?? 'nothing'}`;
    return { check, witness, verdict: 'unknown', message };
  }
  const verdict = said.toLowerCase() === heard.toLowerCase() ? 'agrees' : 'disagrees';
  return { check, witness, verdict, message: `the driver says ${said}, ${witness} says ${heard}` };
}
