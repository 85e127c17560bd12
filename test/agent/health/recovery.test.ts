// When a GPU that failed is healthy again: told by the driver or by a reset, quiet for long enough, and proved.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { keyOf } from '../../../src/agent/health/finding.ts';
import { type LookChanges, newBook, quietPeriod } from './looks.ts';

const silent = { recoveryAction: undefined };

/** Looks every 5 s until nothing is the matter; how many looks it took, at most 100. */
function looksUntilHealthy({ look, found }: ReturnType<typeof newBook>, changes: LookChanges = {}): number {
  for (let looks = 1; looks <= 100; looks += 1) {
    look(changes);
    if (found().length === 0) return looks;
  }
  return Number.POSITIVE_INFINITY;
}

describe('where the driver recommends actions', () => {
  test('a GPU is healthy after the quiet period and three clean looks', () => {
    const book = newBook();
    book.look();
    book.xid(48);
    // 60 s, of which the look at their end is the first of three.
    expect(looksUntilHealthy(book)).toBe(12 + 2);
  });

  test('never as long as it recommends one', () => {
    const book = newBook();
    book.look();
    book.xid(48);
    expect(looksUntilHealthy(book, { readings: { recoveryAction: 'reset' } })).toBe(Number.POSITIVE_INFINITY);
    expect(looksUntilHealthy(book)).toBe(12 + 2);
  });

  test('any new error begins everything anew', () => {
    const book = newBook();
    book.look();
    book.xid(48);
    for (let i = 0; i < 13; i += 1) book.look();
    book.look({ readings: { eccErrors: { volatileUncorrected: 0 } } });
    expect(book.found()).toEqual([]);
    book.xid(48);
    for (let i = 0; i < 13; i += 1) book.look({ readings: { eccErrors: { volatileUncorrected: 0 } } });
    book.look({ readings: { eccErrors: { volatileUncorrected: 1 } } });
    expect(book.found()).toEqual(['HardwareFailure/Xid48', 'HardwareFailure/UncorrectableEcc']);
    expect(looksUntilHealthy(book, { readings: { eccErrors: { volatileUncorrected: 1 } } })).toBeGreaterThan(13);
  });
});

describe('where the driver recommends none', () => {
  test.each<[string, LookChanges[]]>([
    ['its counters begin again', [{ readings: { ...silent, energyMillijoules: 10 } }]],
    ['its driver was away', [{ state: 'driver-gone', readings: null }, { readings: silent }]],
    ['it answered nothing, and does again', [{ state: 'reset-required', readings: null }, { readings: silent }]],
  ])('a GPU is healthy only after a reset was seen: %s', (_, reset) => {
    const book = newBook();
    book.look({ readings: { ...silent, energyMillijoules: 1_000 } });
    book.xid(48);
    expect(looksUntilHealthy(book, { readings: silent })).toBe(Number.POSITIVE_INFINITY);
    for (const look of reset) book.look(look);
    expect(looksUntilHealthy(book, { readings: silent })).toBeLessThan(20);
  });
});

test("an operator's word counts as the sight of a reset: the rest of the rule counts from there", () => {
  const book = newBook();
  book.look({ readings: silent });
  book.xid(79);
  expect(looksUntilHealthy(book, { readings: silent })).toBe(Number.POSITIVE_INFINITY);
  expect(book.book.declareReset('gpu-a')).toEqual({ concerned: ['gpu-a'], quietPeriod });
  expect(book.book.findings('GPU-A')).toMatchObject([{ message: expect.stringMatching(/ \(reset since\)$/) }]);
  expect(looksUntilHealthy(book, { readings: silent })).toBe(12 + 2);
});

describe("an operator's word of a reset", () => {
  test('heals nothing as long as something is the matter', () => {
    const book = newBook();
    book.look();
    book.xid(79);
    book.book.declareReset('GPU-A');
    expect(looksUntilHealthy(book, { readings: { recoveryAction: 'reset' } })).toBe(Number.POSITIVE_INFINITY);
    expect(looksUntilHealthy(book, { state: 'lost', readings: null })).toBe(Number.POSITIVE_INFINITY);
  });

  test('does not count for what comes after it', () => {
    const book = newBook();
    book.look({ readings: silent });
    book.xid(48);
    book.book.declareReset('GPU-A');
    book.xid(62);
    expect(looksUntilHealthy(book, { readings: silent })).toBe(Number.POSITIVE_INFINITY);
  });

  test('is not taken for what has not failed', () => {
    const book = newBook();
    expect(book.book.declareReset('GPU-A')).toBeUndefined();
    book.look();
    book.xid(92);
    expect(book.book.declareReset('GPU-A')).toBeUndefined();
    book.xid(48);
    looksUntilHealthy(book);
    expect(book.book.declareReset('GPU-A')).toBeUndefined();
  });

  test('names the longer quiet period of what failed again', () => {
    const book = newBook();
    book.look();
    book.xid(48);
    looksUntilHealthy(book);
    book.xid(48);
    expect(book.book.declareReset('GPU-A')).toMatchObject({ quietPeriod: 2 * quietPeriod });
  });
});

describe('a loss', () => {
  test.each([
    ['of which no XID tells', (book: ReturnType<typeof newBook>) => book.look({ state: 'lost', readings: null })],
    ['by XID 79', (book: ReturnType<typeof newBook>) => book.xid(79)],
    [
      'by the event',
      ({ book }: ReturnType<typeof newBook>) => book.report('nvml', { uuid: 'GPU-A', kind: 'unavailable', data: 0 }),
    ],
  ])('%s does not heal by itself, whatever the driver recommends', (_, lose) => {
    const book = newBook();
    book.look({ readings: { energyMillijoules: 1_000 } });
    lose(book);
    expect(looksUntilHealthy(book, { readings: { energyMillijoules: 2_000 } })).toBe(Number.POSITIVE_INFINITY);
    // The look that sees the reset, then the quiet period from there.
    expect(looksUntilHealthy(book, { readings: { energyMillijoules: 1 } })).toBe(1 + 12 + 2);
  });
});

test('a remapping that failed never heals; one that waited does, once it is done', () => {
  const rows = { correctable: 0, uncorrectable: 1, pending: false, failed: true };
  const failed = newBook();
  expect(looksUntilHealthy(failed, { readings: { remappedRows: rows } })).toBe(Number.POSITIVE_INFINITY);
  const waiting = newBook();
  waiting.look({ readings: { remappedRows: { ...rows, failed: false, pending: true } } });
  expect(looksUntilHealthy(waiting, { readings: { remappedRows: { ...rows, failed: false } } })).toBe(12 + 2);
});

test('a GPU that fails again and again has to be quiet for longer, up to eight times the period', () => {
  const book = newBook();
  book.look();
  const looks = Array.from({ length: 6 }, () => {
    book.xid(48);
    return looksUntilHealthy(book);
  });
  expect(looks).toEqual([1, 2, 4, 8, 8, 8].map((times) => 12 * times + 2));
});

test('no look heals a GPU within its quiet period after the latest trouble', () => {
  const happening = fc.constantFrom('look', 'xid', 'ecc', 'lost', 'remap', 'reset');
  fc.assert(
    fc.property(fc.array(fc.tuple(happening, fc.integer({ min: 1, max: 90_000 })), { maxLength: 60 }), (script) => {
      const book = newBook();
      let errors = 0;
      let energy = 0;
      let troubleAt = -Infinity;
      for (const [what, after] of script) {
        const sick = book.found().length > 0;
        energy += 1;
        const readings = () => ({ eccErrors: { volatileUncorrected: errors }, energyMillijoules: energy });
        if (what === 'xid') book.xid(48);
        else if (what === 'ecc') errors += 1;
        if (what === 'reset') [errors, energy] = [0, 0];
        const rows = { correctable: 0, uncorrectable: 0, pending: what === 'remap', failed: false };
        if (what === 'lost') book.look({ state: 'lost', readings: null, after });
        else if (what !== 'xid') book.look({ readings: { ...readings(), remappedRows: rows }, after });
        if (['xid', 'ecc', 'lost', 'remap'].includes(what) && book.found().length > 0) troubleAt = book.clock.now;
        if (sick && book.found().length === 0) expect(book.clock.now - troubleAt).toBeGreaterThanOrEqual(quietPeriod);
      }
    }),
  );
});

describe('a restart of the agent', () => {
  const fault = {
    type: 'HardwareFailure',
    reason: 'Xid48',
    message: 'XID 48: double-bit ECC error',
    action: 'ResetGPU',
  } as const;

  test('heals nothing', () => {
    const book = newBook();
    book.book.remember('GPU-A', [fault], false);
    expect(looksUntilHealthy(book, { readings: silent })).toBe(Number.POSITIVE_INFINITY);
    expect(book.found()).toEqual([keyOf(fault)]);
  });

  test('after a boot of the machine, which is a reset, the rest of the rule counts', () => {
    const book = newBook();
    book.book.remember('GPU-A', [fault], true);
    expect(looksUntilHealthy(book, { readings: silent })).toBe(12 + 2);
  });

  test('a reset that was seen before it still counts', () => {
    const before = newBook();
    before.book.remember('GPU-A', [fault], true);
    before.look({ readings: silent });
    const again = newBook();
    again.book.remember('GPU-A', before.book.findings('GPU-A'), false);
    expect(looksUntilHealthy(again, { readings: silent })).toBe(12 + 2);
  });
});
