// Which boot of the machine this is.
import { readFileSync } from 'node:fs';

/** Different after every boot; empty where the kernel does not say, which never counts as the same boot. */
export function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return '';
  }
}
