// Money: whole micro-dollars inside, decimal text of dollars with up to six places outside.
import { Type } from 'typebox';

/** What may be given: text such as "2.50", or a number. */
export const MoneyInput = Type.Union(
  [
    Type.String({ pattern: '^\\d{1,10}(\\.\\d{1,6})?$', maxLength: 17 }),
    Type.Number({ minimum: 0, maximum: 9_000_000_000 }),
  ],
  { description: 'US dollars with up to six decimal places.', examples: ['2.50'] },
);
export type MoneyInput = string | number;

/** What is answered. */
export const Money = Type.String({
  pattern: '^-?\\d+(\\.\\d{1,6})?$',
  description: 'US dollars with up to six decimal places.',
  examples: ['2.50'],
});

const million = 1_000_000;

/** Micro-dollars of an amount; undefined for one with more than six places, below zero, or beyond what is exact. */
export function parseMoney(given: MoneyInput): number | undefined {
  // The shortest text of a number is what its author wrote; exponents stand for what has too many places or digits.
  const [, dollars, places = ''] = /^(\d{1,10})(?:\.(\d{1,6}))?$/.exec(String(given)) ?? [];
  if (dollars === undefined) return undefined;
  const micros = Number(dollars) * million + Number(places.padEnd(6, '0'));
  return Number.isSafeInteger(micros) ? micros : undefined;
}

/** Dollars with at least two places: 2500000 is "2.50". */
export function formatMoney(micros: number): string {
  const size = Math.abs(micros);
  const places = String(size % million)
    .padStart(6, '0')
    .replace(/0{1,4}$/, '');
  return `${micros < 0 ? '-' : ''}${Math.floor(size / million)}.${places}`;
}
