// The version of this program: written in by the build, read from package.json when run from source.
import { readFileSync } from 'node:fs';

declare const GPUBROKER_VERSION: string | undefined;

export const version: string = typeof GPUBROKER_VERSION === 'string' ? GPUBROKER_VERSION : versionOfSource();

function versionOfSource(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  if (typeof manifest === 'object' && manifest !== null && 'version' in manifest) return String(manifest.version);
  throw new Error('package.json has no version');
}
