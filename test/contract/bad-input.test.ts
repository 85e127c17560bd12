// Requests that are wrong: each is refused with its code, the message names the field, and nothing changes.
import { Client, credentials, type ServiceError, status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type RunningCacheServer, startCacheServer } from '../fixtures/cache-server.ts';

let server: RunningCacheServer;
beforeAll(async () => {
  server = await startCacheServer();
  await server.client.ok('CreateGpu', {
    gpu: {
      metadata: { name },
      spec: { uuid: 'GPU-0' },
      status: { conditions: [{ type: 'Ready', status: 'True' }], recommended_action: 'ReportIssue' },
    },
  });
});
afterAll(() => server.remove());

const name = 'gpu-0';
const huge = String(2n ** 60n);
const overLong = 'x'.repeat(254);

/** An UpdateGpuStatus of one condition that is right but for what is given. */
function condition(wrong: object): object {
  return { name, status: { conditions: [{ type: 'Ready', status: 'True', ...wrong }] } };
}

function conditions(...types: string[]): object {
  return { name, status: { conditions: types.map((type) => ({ type, status: 'True' })) } };
}

/** A CreateGpu of a new GPU, or an UpdateGpu of the one there is, that is right but for what is given. */
function gpu(wrong: object, newName = 'gpu-new'): object {
  return { gpu: { metadata: { name: newName }, spec: { uuid: 'GPU-new' }, ...wrong } };
}

type Row = readonly [what: string, method: string, request: object, code: keyof typeof status, named: string];

const names: Row[] = (
  [
    ['no name', ''],
    ['an over-long name', overLong],
    ['a name with a control character', 'gpu\u0000'],
    ['a name with a line end', 'gpu\n'],
    ['a name with a space', 'gpu 0'],
    ['a name that is not ASCII', 'gpü-0'],
  ] as const
).flatMap(([what, wrong]): Row[] => [
  [what, 'GetGpu', { name: wrong }, 'INVALID_ARGUMENT', 'name'],
  [what, 'DeleteGpu', { name: wrong }, 'INVALID_ARGUMENT', 'name'],
  [what, 'UpdateGpuStatus', { name: wrong, status: {} }, 'INVALID_ARGUMENT', 'name'],
  [what, 'CreateGpu', gpu({}, wrong), 'INVALID_ARGUMENT', 'gpu.metadata.name'],
  [what, 'UpdateGpu', gpu({}, wrong), 'INVALID_ARGUMENT', 'gpu.metadata.name'],
  [what, 'GetDevice', { name: wrong }, 'INVALID_ARGUMENT', 'name'],
  [`${what} as UUID`, 'CreateGpu', gpu({ spec: { uuid: wrong } }), 'INVALID_ARGUMENT', 'gpu.spec.uuid'],
  [`${what} as UUID`, 'UpdateGpu', gpu({ spec: { uuid: wrong } }, name), 'INVALID_ARGUMENT', 'gpu.spec.uuid'],
  [`${what} as type`, 'UpdateGpuStatus', condition({ type: wrong }), 'INVALID_ARGUMENT', 'status.conditions[0].type'],
]);

const missing: Row[] = [
  ['no GPU', 'CreateGpu', {}, 'INVALID_ARGUMENT', 'gpu'],
  ['no GPU', 'UpdateGpu', {}, 'INVALID_ARGUMENT', 'gpu'],
  ['no metadata', 'CreateGpu', { gpu: { spec: { uuid: 'GPU-1' } } }, 'INVALID_ARGUMENT', 'gpu.metadata.name'],
  ['no metadata', 'UpdateGpu', { gpu: { spec: { uuid: 'GPU-1' } } }, 'INVALID_ARGUMENT', 'gpu.metadata.name'],
  ['no spec', 'CreateGpu', { gpu: { metadata: { name: 'gpu-1' } } }, 'INVALID_ARGUMENT', 'gpu.spec.uuid'],
  ['no spec', 'UpdateGpu', { gpu: { metadata: { name } } }, 'INVALID_ARGUMENT', 'gpu.spec.uuid'],
  ['no status', 'UpdateGpuStatus', { name }, 'INVALID_ARGUMENT', 'status'],
];

const words: Row[] = ['', 'true', 'TRUE', 'Maybe', 'True ', '1'].map((status) => [
  `the condition status ${JSON.stringify(status)}`,
  'UpdateGpuStatus',
  condition({ status }),
  'INVALID_ARGUMENT',
  'status.conditions[0].status',
]);

const statuses: Row[] = [
  [
    'a wrong condition with CreateGpu',
    'CreateGpu',
    gpu({ status: { conditions: [{ type: 'Ready', status: 'Yes' }] } }),
    'INVALID_ARGUMENT',
    'gpu.status.conditions[0].status',
  ],
  [
    'one wrong condition behind a good one',
    'UpdateGpuStatus',
    {
      name,
      status: {
        conditions: [
          { type: 'Ready', status: 'False' },
          { type: 'NVMLReady', status: 'No' },
        ],
      },
    },
    'INVALID_ARGUMENT',
    'status.conditions[1].status',
  ],
  [
    'a condition type twice',
    'UpdateGpuStatus',
    conditions('Ready', 'NVMLReady', 'Ready'),
    'INVALID_ARGUMENT',
    'status.conditions[2].type',
  ],
  [
    'too many conditions',
    'UpdateGpuStatus',
    conditions(...Array.from({ length: 65 }, (_, i) => `Type${i}`)),
    'INVALID_ARGUMENT',
    'status.conditions',
  ],
  [
    'an over-long reason',
    'UpdateGpuStatus',
    condition({ reason: 'x'.repeat(1025) }),
    'INVALID_ARGUMENT',
    'status.conditions[0].reason',
  ],
  [
    'an over-long message',
    'UpdateGpuStatus',
    condition({ message: 'x'.repeat(32_769) }),
    'INVALID_ARGUMENT',
    'status.conditions[0].message',
  ],
  [
    'an over-long action',
    'UpdateGpuStatus',
    { name, status: { recommended_action: overLong } },
    'INVALID_ARGUMENT',
    'status.recommended_action',
  ],
  [
    'an over-long namespace',
    'CreateGpu',
    gpu({ metadata: { name: 'gpu-1', namespace: overLong } }),
    'INVALID_ARGUMENT',
    'gpu.metadata.namespace',
  ],
];

// A Timestamp holds the years 1 to 9999.
const times: Row[] = [2n ** 62n, -(2n ** 62n), 2n ** 50n, 253_402_300_800n, -62_135_596_801n].map((seconds) => [
  `last_transition_time ${seconds}`,
  'UpdateGpuStatus',
  condition({ last_transition_time: { seconds: String(seconds), nanos: 0 } }),
  'INVALID_ARGUMENT',
  'status.conditions[0].last_transition_time',
]);

function withOpts(resource_version: string): object {
  return { name, opts: { resource_version } };
}

const versions: Row[] = [
  ...['-1', 'one', '1.5', '0x1', ' 1', '1'.repeat(30)].flatMap((wrong): Row[] => [
    [`the version "${wrong}"`, 'GetGpu', withOpts(wrong), 'INVALID_ARGUMENT', 'opts.resource_version'],
    [`the version "${wrong}"`, 'ListGpus', withOpts(wrong), 'INVALID_ARGUMENT', 'opts.resource_version'],
    [
      `the version "${wrong}"`,
      'UpdateGpu',
      gpu({ metadata: { name, resource_version: wrong } }, name),
      'INVALID_ARGUMENT',
      'gpu.metadata.resource_version',
    ],
  ]),
  ...['1000', huge].flatMap((future): Row[] => [
    [`the future version ${future}`, 'GetGpu', withOpts(future), 'OUT_OF_RANGE', future],
    [`the future version ${future}`, 'ListGpus', withOpts(future), 'OUT_OF_RANGE', future],
    [
      `the future version ${future}`,
      'UpdateGpuStatus',
      { name, status: {}, resource_version: future },
      'ABORTED',
      future,
    ],
    [`the future version ${future}`, 'UpdateGpu', gpu({ resource_version: future }, name), 'ABORTED', future],
  ]),
  ...['-1', `-${huge}`].flatMap((negative): Row[] => [
    [
      `the version ${negative}`,
      'UpdateGpuStatus',
      { name, status: {}, resource_version: negative },
      'INVALID_ARGUMENT',
      'resource_version',
    ],
    [
      `the version ${negative}`,
      'UpdateGpu',
      gpu({ resource_version: negative }, name),
      'INVALID_ARGUMENT',
      'gpu.resource_version',
    ],
  ]),
];

const wrongProviders = ['', '-dcgm', 'dcgm health', 'a,b', 'x'.repeat(129), 'gpubroker-agent'];

async function listed(): Promise<unknown> {
  return server.client.ok('ListGpus', {});
}

describe('a wrong request', () => {
  test.each([...missing, ...names, ...words, ...statuses, ...times, ...versions])(
    '%s: %s',
    async (_what, method, request, code, named) => {
      const before = await listed();
      const outcome = await server.client.call(method, request);
      expect(outcome).toMatchObject({ code, details: expect.stringContaining(named) });
      expect((outcome as { details: string }).details.length).toBeLessThan(300);
      expect(await listed()).toEqual(before);
    },
  );

  test.each(wrongProviders)('the provider id %j: every write', async (provider) => {
    const before = await listed();
    for (const [method, request] of [
      ['CreateGpu', gpu({})],
      ['UpdateGpu', gpu({}, name)],
      ['UpdateGpuStatus', { name, status: {} }],
      ['DeleteGpu', { name }],
    ] as const) {
      const outcome = await server.client.call(method, request, provider);
      expect(outcome).toMatchObject({
        code: 'INVALID_ARGUMENT',
        details: expect.stringContaining('gpubroker-provider-id'),
      });
    }
    expect(await listed()).toEqual(before);
  });

  test.each(['-1', 'one', '1.5'])('a watch from the version "%s"', async (resource_version) => {
    const watching = server.client.watch('WatchGpus', { opts: { resource_version } });
    expect(await watching.ended).toBe('INVALID_ARGUMENT');
  });

  test('is shown shortened, and as JSON, in the message', async () => {
    const outcome = await server.client.call('GetGpu', { name: `${'x'.repeat(100_000)}\n` });
    const { details } = outcome as { details: string };
    expect(details.length).toBeLessThan(300);
    expect(details).toMatch(/^[ -~…]+$/);
  });
});

test('a wrong value is never cut in the middle of a character', async () => {
  for (let length = 70; length < 90; length += 1) {
    const wrong = `${'x'.repeat(length)}${'\u{1F525}'.repeat(10)}`;
    for (const [method, request] of [
      ['GetGpu', { name: wrong }],
      ['DeleteGpu', { name: wrong }],
      ['GetDevice', { name: wrong }],
    ] as const) {
      expect(await server.client.call(method, request)).toMatchObject({
        code: 'INVALID_ARGUMENT',
        details: expect.stringContaining('xxx'),
      });
    }
  }
  const { details } = (await server.client.call('GetGpu', { name: 'a; b: 100 % \u{1F525}' })) as { details: string };
  expect(details).toContain('name: "a; b: 100 % \u{1F525}" is not allowed');
});

describe('a time at the edge', () => {
  test.each([
    [-62_135_596_800, 0, { seconds: '-62135596800', nanos: 0 }],
    [-1, 500_000_000, { seconds: '-1', nanos: 0 }],
    [0, 0, { seconds: '0', nanos: 0 }],
    [253_402_300_799, 999_000_000, { seconds: '253402300799', nanos: 999_000_000 }],
  ])('%d s and %d ns is taken and comes back as a valid Timestamp', async (seconds, nanos, shown) => {
    await server.client.ok('UpdateGpuStatus', { name, status: { conditions: [] } });
    const { gpu } = await server.client.ok('UpdateGpuStatus', condition({ last_transition_time: { seconds, nanos } }));
    expect(gpu.status.conditions[0]?.last_transition_time).toEqual(shown);
  });
});

describe('a request whose bytes are not a message', () => {
  const bytes = {
    'a field that goes on past the end': Buffer.from([0x0a, 0xff, 0x01, 0x00]),
    'a varint without end': Buffer.alloc(12, 0xff),
    'a wire type that does not exist': Buffer.from([0x0f]),
    'text that is not UTF-8': Buffer.from([0x0a, 0x02, 0xc3, 0x28]),
  };
  const service = '/nvidia.device.v1alpha1.GpuService';
  const methods = ['GetGpu', 'CreateGpu', 'UpdateGpu', 'UpdateGpuStatus', 'DeleteGpu'];

  /** Sends bytes as they are. */
  function send(method: string, request: Buffer): Promise<string> {
    const client = new Client(`unix:${server.socket}`, credentials.createInsecure());
    return new Promise((resolve) => {
      const same = (value: Buffer) => value;
      client.makeUnaryRequest(`${service}/${method}`, same, same, request, (error: ServiceError | null) => {
        client.close();
        resolve(error ? (status[error.code] as string) : 'OK');
      });
    });
  }

  test.each(Object.entries(bytes))('%s: INVALID_ARGUMENT, and nothing changes', async (_what, request) => {
    const before = await listed();
    for (const method of methods) expect(await send(method, request)).toBe('INVALID_ARGUMENT');
    expect(await listed()).toEqual(before);
  });
});

describe('a limit', () => {
  test('1,024 GPUs fit and no more; one that goes makes room', async () => {
    const full = await startCacheServer();
    const create = (i: number) =>
      full.client.call('CreateGpu', { gpu: { metadata: { name: `gpu-${i}` }, spec: { uuid: `GPU-${i}` } } });
    await Promise.all(Array.from({ length: 1024 }, (_, i) => create(i)));
    const before = await full.client.ok('ListGpus', {});
    expect(await create(1024)).toMatchObject({
      code: 'RESOURCE_EXHAUSTED',
      details: expect.stringContaining('1024 GPUs'),
    });
    expect(await full.client.ok('ListGpus', {})).toEqual(before);
    expect(await create(7)).toMatchObject({ ok: { created: false } });
    await full.client.ok('DeleteGpu', { name: 'gpu-7' });
    expect(await create(1024)).toMatchObject({ ok: { created: true } });
    await full.remove();
  });

  test('64 providers may report on a GPU and no more; one that takes its report back makes room', async () => {
    const full = await startCacheServer();
    await full.client.ok('CreateGpu', gpu({}, name));
    const report = (i: number, ...types: string[]) =>
      full.client.call('UpdateGpuStatus', conditions(...types), `provider-${i}`);
    for (let i = 0; i < 64; i += 1) expect(await report(i, `Type${i}`)).toHaveProperty('ok');
    const before = await full.client.ok('ListGpus', {});
    expect(await report(64, 'Type64')).toMatchObject({
      code: 'RESOURCE_EXHAUSTED',
      details: expect.stringContaining('64 providers'),
    });
    expect(await full.client.ok('ListGpus', {})).toEqual(before);
    await report(0);
    expect(await report(64, 'Type64')).toHaveProperty('ok');
    await full.remove();
  });
});
