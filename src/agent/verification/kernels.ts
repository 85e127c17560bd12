// The texts of the kernels, as they lie beside this file, or beside the bundle that this file is part of.
import { readFileSync } from 'node:fs';
import { benchProgram } from './benchmarks.ts';
import type { Ptx } from './cuda/device.ts';
import { ptxPrograms } from './cuda/programs.ts';
import { proofProgram } from './proof.ts';

/** Programs in OpenCL C, by name. */
export function openClPrograms(): Record<string, string> {
  const named = [benchProgram, proofProgram].map((name) => [name, textOf(`${name}.cl`)] as const);
  return Object.fromEntries(named);
}

/** Programs in PTX, by name. */
export function cudaPrograms(): Record<string, Ptx[]> {
  const programs: Record<string, Ptx[]> = {};
  for (const { program, file, capability } of ptxPrograms) {
    programs[program] = [...(programs[program] ?? []), { leastCapability: capability, text: textOf(file) }];
  }
  return programs;
}

function textOf(file: string): string {
  return readFileSync(new URL(`./kernels/${file}`, import.meta.url), 'utf8');
}
