// What can be wrong with certificates and keys, as an operator reads it.
import { defineError } from '../../daemon/errors.ts';

/** A file that the broker made itself, and that is no longer what it was. */
export const ownFileDamaged = defineError(
  'GPUB_AUTHORITY_DAMAGED',
  (path: string, reason: string) => `cannot use ${path}: ${reason}`,
  (path) =>
    path.endsWith('/ca.crt') || path.endsWith('/ca.key')
      ? 'Put ca.crt and ca.key back from a backup; or remove both and give every node the new ca.crt.'
      : 'Remove node-link.crt and node-link.key: the broker makes them anew, and nodes notice nothing.',
);

/** A file that the operator named. */
export const givenFileRefused = defineError(
  'GPUB_BROKER_TLS_FILE_REFUSED',
  (option: string, path: string, reason: string) => `${option}: cannot use ${path}: ${reason}`,
  (option) => `Give --${option} a PEM file that the broker may read; keys have no passphrase.`,
);
