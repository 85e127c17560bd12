// Passwords in the broker's URLs: used as given, shown to nobody.
import { describe, expect, test } from 'vitest';
import { brokerOptions } from '../../src/daemon/broker-options.ts';
import { OptionsError } from '../../src/daemon/errors.ts';
import { resolveOptions } from '../../src/daemon/options.ts';

const urls = [
  'postgres://ada:hunter2@db.example/broker',
  'postgres://ada:hunter2@pass/w@rd?x@db.example/broker',
  'postgresql:///broker?host=/run/pg&user=ada&password=hunter2',
  'postgres://ada@db.example/broker?sslmode=require&PASSWORD=hunter2&x=1',
];

describe('a password in a URL', () => {
  test.each(urls)('is not shown of %s', (url) => {
    const { values, settings } = resolveOptions(brokerOptions, {
      argv: [],
      environment: { GPUBROKER_DATABASE_URL: url },
    });
    expect(values.databaseUrl).toBe(url);
    const shown = settings.find(({ key }) => key === 'database-url')?.value;
    expect(shown).toContain('***');
    expect(shown).not.toMatch(/hunter2|pass\/w/);
  });

  test('is not repeated where the URL is refused', () => {
    const attempt = () =>
      resolveOptions(brokerOptions, { argv: ['--redis-url=http://:hunter2@redis.example'], environment: {} });
    expect(attempt).toThrow(OptionsError);
    expect(attempt).toThrow(/http:\/\/:\*\*\*@redis\.example/);
    expect(attempt).not.toThrow(/hunter2/);
  });

  test('on the command line is warned of, in the environment it is not', () => {
    const url = urls[0] ?? '';
    const { warnings } = resolveOptions(brokerOptions, { argv: [`--database-url=${url}`], environment: {} });
    expect(warnings).toEqual([expect.stringContaining('GPUBROKER_DATABASE_URL')]);
    expect(warnings.join()).not.toContain('hunter2');
    const environment = { GPUBROKER_DATABASE_URL: url };
    expect(resolveOptions(brokerOptions, { argv: [], environment }).warnings).toEqual([]);
  });

  test('that is not there is not seen', () => {
    for (const url of ['postgres://me@db.example:5432/broker', 'postgres://db.example:5432/broker?user=me@corp']) {
      const { settings, warnings } = resolveOptions(brokerOptions, { argv: ['--database-url', url], environment: {} });
      expect(settings.find(({ key }) => key === 'database-url')?.value).toBe(url);
      expect(warnings).toEqual([]);
    }
  });
});
