// Builds the Go programs of the benchmark: the peer server and the watchers, with code generated from our proto.
import { mkdir, rm } from 'node:fs/promises';
import { delimiter, join, relative } from 'node:path';
import { runCommand } from './commands.ts';
import { cache, here, root } from './folders.ts';
import { goLibraries } from './tools.ts';

export const peerProgram = join(cache, 'peer');
export const watchersProgram = join(cache, 'watchers');

const goPath = join(cache, 'gopath');

export async function buildPeer(): Promise<void> {
  await generate(join(goPath, 'src/gpubroker/deviceapi'));
  await goBuild('go-peer', peerProgram);
  await goBuild('go-watchers', watchersProgram);
}

export async function peerVersions(): Promise<string> {
  return (await runCommand(peerProgram, ['-version'])).trim();
}

async function generate(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const parameters = [
    'plugins=grpc',
    'import_path=deviceapi',
    // Debian's protoc names the newer Go packages of these two, which Debian's grpc does not use.
    'Mgoogle/protobuf/empty.proto=github.com/golang/protobuf/ptypes/empty',
    'Mgoogle/protobuf/timestamp.proto=github.com/golang/protobuf/ptypes/timestamp',
  ];
  const source = join(root, 'proto/nvidia/device/v1alpha1');
  await runCommand('protoc', [`-I${source}`, `--go_out=${parameters.join(',')}:${folder}`, 'gpu.proto']);
}

async function goBuild(folder: string, output: string): Promise<void> {
  const environment = { GO111MODULE: 'off', GOPATH: [goPath, goLibraries].join(delimiter) };
  // GOPATH mode wants a relative path.
  await runCommand('go', ['build', '-o', output, `./${relative(root, join(here, folder))}`], environment);
}
