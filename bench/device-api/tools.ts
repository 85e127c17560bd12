// What the benchmark needs from the system, and the Debian package that brings each.
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

// Where Debian keeps the sources of Go libraries.
export const goLibraries = '/usr/share/gocode';

const programs: Record<string, string> = {
  go: 'golang-go',
  protoc: 'protobuf-compiler',
  'protoc-gen-go': 'protoc-gen-go-1-3',
  h2load: 'nghttp2-client',
  taskset: 'util-linux',
};

const libraries: Record<string, string> = {
  'google.golang.org/grpc': 'golang-google-grpc-dev',
  'github.com/golang/protobuf/proto': 'golang-github-golang-protobuf-1-3-dev',
  'github.com/grpc-ecosystem/go-grpc-prometheus': 'golang-github-grpc-ecosystem-go-grpc-prometheus-dev',
  'github.com/prometheus/client_golang/prometheus': 'golang-github-prometheus-client-golang-dev',
  'golang.org/x/net/http2': 'golang-golang-x-net-dev',
};

export function requireTools(): void {
  const missing = [
    ...Object.entries(programs).filter(([program]) => !onPath(program)),
    ...Object.entries(libraries).filter(([library]) => !readable(join(goLibraries, 'src', library))),
  ];
  if (missing.length === 0) return;
  const names = missing.map(([what, debianPackage]) => `${what} (Debian package ${debianPackage})`);
  const packages = missing.map(([, debianPackage]) => debianPackage);
  throw new Error(`missing: ${names.join(', ')}\ninstall with: apt-get install ${packages.join(' ')}`);
}

function onPath(program: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => readable(join(folder, program), constants.X_OK));
}

function readable(path: string, mode: number = constants.R_OK): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
}
