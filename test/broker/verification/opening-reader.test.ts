// Opened rows as they are read: whole, in order, and nothing of one is left in the next.
import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { OpeningReader } from '../../../src/broker/verification/opening-reader.ts';
import { pathLengthOf } from '../../../src/proof/commitment.ts';
import { ProofOpenings } from '../../../src/wire/gpubroker/node/v1/proof.ts';
import { runs } from '../../properties.ts';

const challenge = { size: 128, rounds: 2 };
const pathBytes = pathLengthOf(challenge) * 32;

const row = () => ({ row: randomBytes(512), path: randomBytes(pathBytes) });

function read(openings: Uint8Array) {
  const all = [];
  for (const { product, before } of new OpeningReader(challenge).read(openings)) {
    const copy = (opened: typeof product) => ({
      row: Buffer.from(new Uint8Array(opened.row.buffer)),
      path: Buffer.concat(opened.path),
    });
    all.push({ product: copy(product), before: before && copy(before) });
  }
  return all;
}

test('openings are read as they were written, wherever they begin', () => {
  const openings = [
    { product: row(), before: row() },
    { product: row(), before: undefined },
    { product: row(), before: row() },
  ];
  const bytes = ProofOpenings.encode({ openings }).finish();
  for (const offset of [0, 1, 2, 3]) {
    const shifted = Buffer.concat([Buffer.alloc(offset), bytes]).subarray(offset);
    expect(read(shifted)).toEqual(openings);
  }
});

test('fields of a later version are left out', () => {
  const openings = [{ product: row(), before: undefined }];
  const bytes = Buffer.from(ProofOpenings.encode({ openings }).finish());
  // Field 7, a number; field 8, two bytes.
  expect(read(Buffer.concat([Buffer.from([0x38, 1, 0x42, 2, 9, 9]), bytes]))).toEqual(openings);
});

test.each([
  ['a row that is too short', { product: { ...row(), row: randomBytes(508) }, before: undefined }],
  ['a row that is too long', { product: { ...row(), row: randomBytes(516) }, before: undefined }],
  ['a way that is too short', { product: row(), before: { ...row(), path: randomBytes(pathBytes - 32) } }],
  ['no way', { product: { ...row(), path: Buffer.alloc(0) }, before: undefined }],
  ['no row at all', { product: undefined, before: row() }],
])('%s is refused, also behind one that is whole', (_what, opening) => {
  const openings = [{ product: row(), before: row() }, opening];
  expect(() => read(ProofOpenings.encode({ openings }).finish())).toThrow(RangeError);
});

test('bytes of a stranger are read or refused, and never more than there are', () => {
  const whole = Buffer.from(ProofOpenings.encode({ openings: [{ product: row(), before: row() }] }).finish());
  fc.assert(
    fc.property(fc.nat(whole.length - 1), fc.nat(255), fc.nat(whole.length), (at, value, length) => {
      const garbled = Buffer.from(whole.subarray(0, length));
      if (at < length) garbled[at] = value;
      try {
        expect(read(garbled).length).toBeLessThanOrEqual(1);
      } catch (error) {
        expect(error).toBeInstanceOf(Error);
      }
    }),
    runs(300, 20_000),
  );
});
