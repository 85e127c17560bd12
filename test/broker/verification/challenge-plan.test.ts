// What the GPUs of the table of references are asked: as it was when somebody last looked at it.
import { expect, test } from 'vitest';
import { challengePlans } from '../../../src/broker/verification/challenge-plan.ts';
import { references } from '../../../src/score/reference.ts';

const plans = challengePlans();

test('the plan of every product', () => {
  const written = Object.fromEntries(
    references.map(({ product }) => {
      const plan = plans(product);
      return [
        product,
        plan && `${plan.size} × ${plan.rounds}, ${plan.fastestMs} < ${plan.expectedMs} < ${plan.slowestMs} ms`,
      ];
    }),
  );
  expect(written).toMatchInlineSnapshot(`
    {
      "A10-PCIE-24GB": "16384 × 34, 1196 < 2991 < 4987 ms",
      "A100-PCIE-40GB": "16384 × 85, 1198 < 2995 < 4993 ms",
      "A100-PCIE-80GB": "16384 × 85, 1198 < 2995 < 4993 ms",
      "A100-SXM4-40GB": "16384 × 85, 1198 < 2995 < 4993 ms",
      "A100-SXM4-80GB": "16384 × 85, 1198 < 2995 < 4993 ms",
      "A30-PCIE-24GB": "16384 × 45, 1199 < 2999 < 4999 ms",
      "A40-PCIE-48GB": "16384 × 41, 1205 < 3012 < 5018 ms",
      "B200-SXM6-180GB": "16384 × 153, 299 < 2991 < 4987 ms",
      "H100-NVL-94GB": "16384 × 160, 842 < 3008 < 5012 ms",
      "H100-PCIE-80GB": "16384 × 144, 837 < 2990 < 4985 ms",
      "H100-SXM5-80GB": "16384 × 189, 840 < 3000 < 5000 ms",
      "H200-NVL-141GB": "16384 × 160, 842 < 3008 < 5012 ms",
      "H200-SXM5-141GB": "16384 × 189, 840 < 3000 < 5000 ms",
      "L4-PCIE-24GB": "16384 × 33, 1199 < 2999 < 4999 ms",
      "L40-PCIE-48GB": "16384 × 49, 1191 < 2977 < 4966 ms",
      "L40S-PCIE-48GB": "16384 × 100, 1200 < 3000 < 5000 ms",
      "MI210-PCIE-64GB": undefined,
      "MI300X-OAM-192GB": undefined,
      "MI325X-OAM-256GB": undefined,
      "RTX-3090-PCIE-24GB": "16384 × 39, 1208 < 3020 < 5030 ms",
      "RTX-4090-PCIE-24GB": "16384 × 90, 1198 < 2994 < 4991 ms",
      "RTX-5090-PCIE-32GB": "16384 × 29, 304 < 3044 < 5066 ms",
      "RTX-6000-ADA-PCIE-48GB": "16384 × 99, 1196 < 2990 < 4985 ms",
      "RTX-A6000-PCIE-48GB": "16384 × 42, 1193 < 2982 < 4973 ms",
      "T4-PCIE-16GB": "8192 × 53, 448 < 2988 < 4982 ms",
    }
  `);
});

test('one GPU that does the work of two, as fast as is expected, is too late', () => {
  for (const { product } of references) {
    const plan = plans(product);
    if (!plan) continue;
    expect(plan.slowestMs).toBeLessThan(2 * plan.expectedMs);
    expect(plan.slowestMs).toBeGreaterThan(1.5 * plan.expectedMs);
    expect(plan.fastestMs).toBeLessThan(plan.expectedMs);
    expect(plan.undecidedMs).toBe(5 * plan.expectedMs + 500);
    expect(plan.places).toBe(48);
  }
});

test('memory has room for the matrices', () => {
  for (const { product, memoryGb } of references) {
    const plan = plans(product);
    if (plan) expect(6 * plan.size ** 2 + 32 * plan.size * plan.rounds).toBeLessThan((memoryGb * 2 ** 30) / 2);
  }
});

test('a simulated GPU is asked what a processor does', () => {
  expect(plans('SIM-H100-SXM5-80GB')).toMatchObject({ size: 512, rounds: 3, slowestMs: 60_000 });
});

test('of a product that is in no table nothing is asked, unless an operator knows', () => {
  expect(plans('GTX-1080-PCIE-8GB')).toBeUndefined();
  const plan = { size: 256, rounds: 2, places: 8, expectedMs: 10, slowestMs: 20, fastestMs: 1 };
  const own = challengePlans(
    new Map([
      ['GTX-1080-PCIE-8GB', plan],
      ['T4-PCIE-16GB', plan],
    ]),
  );
  expect(own('GTX-1080-PCIE-8GB')).toBe(plan);
  expect(own('T4-PCIE-16GB')).toBe(plan);
  expect(own('L4-PCIE-24GB')).toEqual(plans('L4-PCIE-24GB'));
});
