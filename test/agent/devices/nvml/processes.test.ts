// The processes on a GPU are listed completely, whatever their number and whichever layout the driver writes.
import { expect, test } from 'vitest';
import { openSource } from './open-source.ts';

function processes(count: number) {
  return Array.from({ length: count }, (_, place) => ({ pid: 1000 + place, usedMemory: place * 1_048_576 }));
}

function listed(count: number) {
  return processes(count).map(({ pid, usedMemory }) => ({ pid, kind: 'compute', usedMemoryBytes: usedMemory }));
}

test.each([1, 64, 65, 1000])('%i processes are listed', (count) => {
  const { driver, source } = openSource();
  driver.update(() => {
    driver.gpu(0).processes.compute = processes(count);
  });
  expect(source.sample(0).processes).toEqual(listed(count));
});

test('a long list leaves nothing behind in a shorter one', () => {
  const { driver, source } = openSource();
  for (const count of [300, 2, 0]) {
    driver.update(() => {
      driver.gpu(0).processes.compute = processes(count);
    });
    expect(source.sample(0).processes).toEqual(listed(count));
  }
});

test.each([1, 3, 64, 100])('a driver that writes wider entries than its header says: %i processes', (count) => {
  const { driver, source } = openSource();
  driver.update((state) => {
    state.wideProcessEntries = true;
    driver.gpu(0).processes.compute = processes(count);
  });
  expect(source.sample(0).processes).toEqual(listed(count));
});

test.each([
  { layout: 'without instances', missing: ['_v3', '_v2'] },
  { layout: 'of the second version', missing: ['_v3'] },
])('an older library lists entries $layout', ({ missing }) => {
  const kinds = ['Compute', 'Graphics'] as const;
  const { driver, source } = openSource({
    missing: kinds.flatMap((kind) =>
      missing.map((version) => `nvmlDeviceGet${kind}RunningProcesses${version}` as const),
    ),
  });
  driver.update(() => {
    driver.gpu(0).processes.compute = processes(3);
  });
  expect(source.sample(0).processes).toEqual(listed(3));
});

test('a process that computes and draws is listed twice', () => {
  const { driver, source } = openSource();
  driver.update(() => {
    driver.gpu(0).processes = { compute: [{ pid: 5, usedMemory: 10 }], graphics: [{ pid: 5, usedMemory: 20 }] };
  });
  expect(source.sample(0).processes).toEqual([
    { pid: 5, kind: 'compute', usedMemoryBytes: 10 },
    { pid: 5, kind: 'graphics', usedMemoryBytes: 20 },
  ]);
});

test.each([7, 999])('a list that fails with %i is absent, for an empty one would call the GPU free', (code) => {
  const { driver, source } = openSource();
  driver.update((state) => {
    state.errors = { nvmlDeviceGetComputeRunningProcesses_v3: { 0: code } };
  });
  const readings = source.sample(0);
  expect(readings).not.toHaveProperty('processes');
  expect(readings).toMatchObject({ powerMilliwatts: 95_000 });
});

test('a driver that lists no drawing processes still lists the computing ones', () => {
  const { driver, source } = openSource();
  driver.update(() => {
    driver.gpu(0).processes = { compute: processes(2), graphics: null };
  });
  expect(source.sample(0).processes).toEqual(listed(2));
});
