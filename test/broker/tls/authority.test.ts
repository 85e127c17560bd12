// The broker's own authority: made once, its certificate renewed in time, damage told.
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { authorityFiles, certificateLife, ownCertificate, renewBefore } from '../../../src/broker/tls/authority.ts';

const start = new Date('2026-03-01T12:00:00Z');
const later = (ms: number) => new Date(start.getTime() + ms);
const names = ['localhost', '127.0.0.1', '::1', 'broker-1'];
let folder: string;
let files: ReturnType<typeof authorityFiles>;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gpubroker-tls-'));
  files = authorityFiles(join(folder, 'data'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
});

const own = (now = start, wanted: readonly string[] = names) => ownCertificate(join(folder, 'data'), wanted, now);
const ca = () => new X509Certificate(readFileSync(files.caCert));

describe('the first start', () => {
  test('makes an authority for ten years and a certificate for one, good for every name', async () => {
    const certificate = new X509Certificate((await own()).cert);
    expect(certificate.verify(ca().publicKey)).toBe(true);
    expect(certificate.checkIssued(ca())).toBe(true);
    expect(ca().ca).toBe(true);
    expect(ca().validToDate).toEqual(later(3650 * 86_400_000));
    expect(certificate.validToDate).toEqual(later(certificateLife));
    expect(certificate.ca).toBe(false);
    expect(names.map((name) => certificate.checkHost(name) ?? certificate.checkIP(name))).toEqual(names);
  });

  test('keeps the keys from everybody else', async () => {
    await own();
    const modes = Object.values(files).map((path) => (statSync(path).mode & 0o777).toString(8));
    expect(modes).toEqual(['644', '600', '644', '600']);
  });

  test('that was cut after the key was written begins again', async () => {
    await own();
    rmSync(files.caCert);
    expect(new X509Certificate((await own()).cert).verify(ca().publicKey)).toBe(true);
  });
});

describe('the certificate', () => {
  test('stays while more than 30 days are left', async () => {
    const first = await own();
    expect(await own(later(certificateLife - renewBefore))).toMatchObject({ cert: first.cert, key: first.key });
  });

  test.each([
    ['when less is left', certificateLife - renewBefore + 1000, names],
    ['when it has ended', certificateLife + 1000, names],
    ['for another name', 0, [...names, 'broker.example']],
  ])('is renewed %s, by the same authority', async (_when, ms, wanted) => {
    const first = await own();
    const before = readFileSync(files.caCert);
    const next = await own(later(ms), wanted);
    expect(next.cert.equals(first.cert)).toBe(false);
    expect(readFileSync(files.caCert)).toEqual(before);
    const certificate = new X509Certificate(next.cert);
    expect(certificate.validToDate).toEqual(later(ms + certificateLife));
    expect(certificate.verify(ca().publicKey)).toBe(true);
  });

  test('is made anew when a cut has left the key of another one', async () => {
    const first = await own();
    await own(start, [...names, 'other']);
    writeFileSync(files.cert, first.cert);
    expect(new X509Certificate((await own()).cert).checkHost('localhost')).toBe('localhost');
  });
});

test.each(['caCert', 'caKey', 'cert', 'key'] as const)('a damaged %s is named', async (which) => {
  await own();
  writeFileSync(files[which], 'garbage');
  await expect(own()).rejects.toMatchObject({
    code: 'GPUB_AUTHORITY_DAMAGED',
    message: expect.stringContaining(files[which]),
  });
});

test('an authority without its key, or with another, is refused', async () => {
  await own();
  writeFileSync(files.caKey, readFileSync(files.key));
  await expect(own()).rejects.toMatchObject({ message: expect.stringContaining('is not the key of') });
  rmSync(files.caKey);
  await expect(own()).rejects.toMatchObject({ message: expect.stringContaining('missing') });
});

test('an authority that has ended is refused', async () => {
  await own();
  await expect(own(later(3651 * 86_400_000))).rejects.toMatchObject({ message: expect.stringContaining('ended at') });
});
