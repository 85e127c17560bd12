// The folders that the benchmark uses.
import { join, resolve } from 'node:path';

export const root = resolve(import.meta.dirname, '../..');
export const here = import.meta.dirname;
export const cache = join(root, '.cache/bench/device-api');
