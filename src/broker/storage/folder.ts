// The broker's data folder.
import { accessSync, constants, mkdirSync, realpathSync } from 'node:fs';
import { messageOf } from '../../daemon/errors.ts';
import { folderUnusable } from './errors.ts';

/**
 * The folder, made if need be, under its real name: the same folder has one name for all who ask.
 * @throws CodedError GPUB_DATABASE_FOLDER_UNUSABLE
 */
export function prepared(dataFolder: string): string {
  try {
    mkdirSync(dataFolder, { recursive: true, mode: 0o711 });
    accessSync(dataFolder, constants.W_OK);
    return realpathSync(dataFolder);
  } catch (error) {
    throw folderUnusable(dataFolder, messageOf(error));
  }
}
