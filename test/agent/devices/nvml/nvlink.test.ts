// The NVLink topology says of each link of the device whether it is up and where it leads.
import { expect, test } from 'vitest';
import { openSource } from './open-source.ts';

test('the links of an H100 lead to the four switches', () => {
  const { source } = openSource();
  const links = source.read(0).nvlinks ?? [];
  expect(links.map(({ link }) => link)).toEqual(Array.from({ length: 18 }, (_, link) => link));
  expect(links.every(({ active, version }) => active && version === 4)).toBe(true);
  expect(new Set(links.map(({ remoteBusId }) => remoteBusId)).size).toBe(4);
});

test('a link that is down stays listed', () => {
  const { driver, source } = openSource();
  driver.update(() => {
    driver.gpu(0).nvlinks = [
      { active: 1, version: 4, remoteBusId: '00000000:05:00.0' },
      { active: 0, version: null, remoteBusId: null },
    ];
  });
  expect(source.read(0).nvlinks).toEqual([
    { link: 0, active: true, version: 4, remoteBusId: '00000000:05:00.0' },
    { link: 1, active: false },
  ]);
});

test('links keep their numbers where the driver skips some', () => {
  const { driver, source } = openSource();
  driver.update(() => {
    driver.gpu(0).nvlinks = [null, null, { active: 1, version: 3, remoteBusId: null }];
  });
  expect(source.read(0).nvlinks).toEqual([{ link: 2, active: true, version: 3 }]);
});
