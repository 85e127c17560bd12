// gRPC's own services: health follows readiness, and reflection shows what is served.
import { join } from 'node:path';
import { type ClientDuplexStream, credentials, type GrpcObject, loadPackageDefinition } from '@grpc/grpc-js';
import { loadFileDescriptorSetFromBuffer, loadSync } from '@grpc/proto-loader';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type RunningCacheServer, startCacheServer } from '../fixtures/cache-server.ts';

const served = [
  '',
  'nvidia.device.v1alpha1.GpuService',
  'gpubroker.device.v1.DeviceDetails',
  'gpubroker.device.v1.ProviderRegistry',
  'gpubroker.device.v1.Measurements',
];

let server: RunningCacheServer;
beforeEach(async () => {
  server = await startCacheServer();
});
afterEach(() => server.remove());

describe('health', () => {
  test.each(served)('of "%s" is SERVING while the daemon is ready, NOT_SERVING while it is not', async (service) => {
    const check = () => server.client.ok('Check', { service });
    server.readiness.ok('startup');
    expect(await check()).toEqual({ status: 'SERVING' });
    server.readiness.notReady('devices', 'first look still to come');
    expect(await check()).toEqual({ status: 'NOT_SERVING' });
    server.readiness.warn('devices', 'one is slow');
    expect(await check()).toEqual({ status: 'SERVING' });
  });

  test('of a service that is not there is NOT_FOUND', async () => {
    expect(await server.client.call('Check', { service: 'no.Service' })).toMatchObject({ code: 'NOT_FOUND' });
  });

  test('of a service with an endless name is refused, and the daemon serves on', async () => {
    const outcome = await server.client.call('Check', { service: `${'x'.repeat(400_000)}\u{1F525}` });
    expect(outcome).toMatchObject({ code: 'NOT_FOUND' });
    expect(await server.client.ok('Check', {})).toEqual({ status: 'SERVING' });
  });

  test.each(served)('of "%s" can be watched', async (service) => {
    const watching = server.client.watch<{ status: string }>('Watch', { service });
    await watching.until(1);
    server.readiness.notReady('devices', 'gone');
    await watching.until(2);
    server.readiness.notReady('devices', 'still gone');
    server.readiness.ok('devices');
    await watching.until(3);
    expect(watching.events.map(({ status }) => status)).toEqual(['SERVING', 'NOT_SERVING', 'SERVING']);
    watching.cancel();
  });

  test('of a service that is not there can be watched: SERVICE_UNKNOWN', async () => {
    const watching = server.client.watch('Watch', { service: 'no.Service' });
    expect(await watching.until(1)).toEqual([{ status: 'SERVICE_UNKNOWN' }]);
    watching.cancel();
  });

  test('of all services can be listed', async () => {
    const { statuses } = await server.client.ok<{ statuses: Record<string, object> }>('List', {});
    for (const service of served) expect(statuses[service]).toEqual({ status: 'SERVING' });
  });

  test('watches end quietly when the daemon stops, and do not delay it', async () => {
    const watching = server.client.watch('Watch', {});
    await watching.until(1);
    const before = performance.now();
    await server.stop();
    expect(await watching.ended).toBe('OK');
    // The fixture forces after 2 s.
    expect(performance.now() - before).toBeLessThan(1_500);
  });
});

interface Reflected {
  list_services_response?: { service: { name: string }[] };
  file_descriptor_response?: { file_descriptor_proto: Buffer[] };
  error_response?: { error_code: number; error_message: string };
}

const root = join(import.meta.dirname, '..', '..', 'proto');

/** Asks everything on one stream, as grpcurl does. */
async function reflect(version: string, requests: readonly object[]): Promise<Reflected[]> {
  const definition = loadSync('grpc/reflection/v1/reflection.proto', { includeDirs: [root], keepCase: true });
  const name = 'grpc.reflection.v1.ServerReflection';
  const methods = definition[name] as Record<string, { path: string }>;
  for (const method of Object.values(methods)) method.path = method.path.replace('.v1.', `.${version}.`);
  const packages = loadPackageDefinition(definition);
  const Stub = name.split('.').reduce<unknown>((at, part) => (at as GrpcObject)[part], packages) as new (
    ...args: unknown[]
  ) => { ServerReflectionInfo(): ClientDuplexStream<object, Reflected>; close(): void };
  const stub = new Stub(`unix:${server.socket}`, credentials.createInsecure());
  const stream = stub.ServerReflectionInfo();
  for (const request of requests) stream.write(request);
  stream.end();
  const answers: Reflected[] = [];
  for await (const answer of stream) answers.push(answer as Reflected);
  stub.close();
  return answers;
}

/** The services and messages that file descriptors describe, as an independent reader understands them. */
function described(files: readonly Buffer[]): ReturnType<typeof loadFileDescriptorSetFromBuffer> {
  const set = files.flatMap((file) => {
    const length: number[] = [];
    let rest = file.length;
    for (; rest > 127; rest >>>= 7) length.push((rest & 127) | 128);
    return [Buffer.from([0x0a, ...length, rest]), file];
  });
  return loadFileDescriptorSetFromBuffer(Buffer.concat(set));
}

describe.each(['v1', 'v1alpha'])('reflection %s', (version) => {
  test('lists every service that is served', async () => {
    const [answer] = await reflect(version, [{ list_services: '' }]);
    const names = answer?.list_services_response?.service.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(served.slice(1)));
    expect(names).toEqual(expect.arrayContaining(['gpubroker.device.v1.DaemonControl', 'grpc.health.v1.Health']));
  });

  test.each([
    ['nvidia.device.v1alpha1.GpuService', 'nvidia.device.v1alpha1.GpuService', 'UpdateGpuStatus'],
    ['nvidia.device.v1alpha1.Gpu', 'nvidia.device.v1alpha1.GpuService', 'WatchGpus'],
    ['nvidia.device.v1alpha1.GpuService.GetGpu', 'nvidia.device.v1alpha1.GpuService', 'GetGpu'],
    ['gpubroker.device.v1.DeviceDetails', 'gpubroker.device.v1.DeviceDetails', 'ListDevices'],
    ['gpubroker.device.v1.DaemonControl', 'gpubroker.device.v1.DaemonControl', 'GetStatus'],
    ['gpubroker.device.v1.Measurement', 'gpubroker.device.v1.Measurements', 'RunMeasurement'],
  ])('gives the file that contains %s, with all that it imports', async (symbol, service, method) => {
    const [answer] = await reflect(version, [{ file_containing_symbol: symbol }]);
    const files = answer?.file_descriptor_response?.file_descriptor_proto ?? [];
    expect(described(files)[service]).toHaveProperty(method);
  });

  test('says of what is not there that it is not there, and goes on', async () => {
    const answers = await reflect(version, [
      { file_containing_symbol: 'no.Such' },
      { file_by_filename: 'no/such.proto' },
      { file_containing_extension: { containing_type: 'nvidia.device.v1alpha1.Gpu', extension_number: 100 } },
      { file_by_filename: 'nvidia/device/v1alpha1/gpu.proto' },
    ]);
    expect(answers.map((answer) => answer.error_response?.error_code)).toEqual([5, 5, expect.any(Number), undefined]);
  });
});
