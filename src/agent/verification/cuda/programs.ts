// The PTX that there is: of which source, for which devices, in which version of the instruction set.
import { createHash } from 'node:crypto';

export interface PtxProgram {
  /** The program's name, and the file's. */
  readonly program: string;
  readonly file: string;
  readonly source: string;
  /** The least compute capability of a device: 80 is 8.0. */
  readonly capability: number;
  /** The least version of PTX: 6.3 comes with the drivers of CUDA 10.0, 7.0 with those of CUDA 11.0. */
  readonly isa: string;
}

export const ptxPrograms: readonly PtxProgram[] = ['bench', 'proof'].flatMap((program) => [
  { program, file: `${program}.sm75.ptx`, source: `${program}.cu`, capability: 75, isa: '6.3' },
  { program, file: `${program}.sm80.ptx`, source: `${program}.cu`, capability: 80, isa: '7.0' },
]);

/** What tells a source from a later one; stands in the PTX that was made of it. */
export function sourceDigest(source: string): string {
  return createHash('sha256').update(source).digest('hex');
}
