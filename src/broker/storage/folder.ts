// The broker's data folder.
import { mkdirSync, realpathSync } from 'node:fs';

/** The folder, made if need be, under its real name: the same folder has one name for all who ask. */
export function prepared(dataFolder: string): string {
  mkdirSync(dataFolder, { recursive: true, mode: 0o711 });
  return realpathSync(dataFolder);
}
