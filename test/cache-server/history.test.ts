// The history of events: bounded by count and by bytes, never with a gap.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { History } from '../../src/cache-server/history.ts';
import { runs } from '../properties.ts';

test('any run of events leaves a history without gaps, within both bounds', () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 50 }), { maxLength: 60 });
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 1_000 }), sizes, (start, lengths) => {
      const history = new History<{ version: number; frame: Buffer }>(start, 10, 100);
      for (const [i, length] of lengths.entries()) {
        const version = start + i + 1;
        history.push(version, { version, frame: Buffer.alloc(length) });
      }
      const end = start + lengths.length;
      let kept = 0;
      for (let after = end; after >= start; after -= 1) {
        let events: { version: number; frame: Buffer }[];
        try {
          events = history.since(BigInt(after));
        } catch {
          break;
        }
        expect(events.map(({ version }) => version)).toEqual(
          Array.from({ length: end - after }, (_, i) => after + 1 + i),
        );
        kept = events.length;
        const bytes = events.reduce((sum, { frame }) => sum + frame.length, 0);
        expect(kept <= 10 && (bytes <= 100 || kept === 1)).toBe(true);
      }
      expect(kept).toBeGreaterThanOrEqual(Math.min(1, lengths.length));
      expect(() => history.since(BigInt(end + 1))).toThrow('from the future');
    }),
    runs(200, 10_000),
  );
});
