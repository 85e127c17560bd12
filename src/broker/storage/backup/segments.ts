// The names of segments of the write-ahead log: timeline, number, each eight or sixteen hexadecimal digits.

/** The names from `first` to `last`; `segmentSize` in bytes. */
export function segmentsBetween(first: string, last: string, segmentSize: number): string[] {
  const timeline = first.slice(0, 8);
  const perFile = BigInt(0x1_0000_0000) / BigInt(segmentSize);
  const numberOf = (name: string) => BigInt(`0x${name.slice(8, 16)}`) * perFile + BigInt(`0x${name.slice(16)}`);
  const names: string[] = [];
  for (let number = numberOf(first); number <= numberOf(last); number++) {
    names.push(`${timeline}${hex(number / perFile)}${hex(number % perFile)}`);
  }
  return names;
}

/** Whether a segment comes before another. The timeline is left out: what a restore may need is kept rather than not. */
export function isBefore(segment: string, other: string): boolean {
  return segment.slice(8, 24) < other.slice(8, 24);
}

function hex(number: bigint): string {
  return number.toString(16).toUpperCase().padStart(8, '0');
}
