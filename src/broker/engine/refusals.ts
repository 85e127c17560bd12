// Why a command is refused, in the words of those who gave it. Fields are those of the API.
import type { EngineRefusal } from './commands.ts';

export function invalid(field: string, value: unknown, allowed: string): EngineRefusal {
  const message = `${field}: ${JSON.stringify(value)} is not allowed: give ${allowed}`;
  return { kind: 'invalid', code: 'GPUB_INVALID', message, field, value, allowed };
}

/** Also where it exists and is somebody else's: that is nobody's business. */
export function notFound(what: string, id: string): EngineRefusal {
  return { kind: 'not-found', code: 'GPUB_NOT_FOUND', message: `there is no ${what} ${id}` };
}

export function conflict(code: EngineRefusal['code'], message: string): EngineRefusal {
  return { kind: 'conflict', code, message };
}

/** @param wanted micro-dollars, as `available` */
export function insufficientFunds(wanted: number, available: number): EngineRefusal {
  return {
    kind: 'payment',
    code: 'GPUB_INSUFFICIENT_FUNDS',
    message: `this takes ${dollars(wanted)} USD; the account has ${dollars(available)} USD to spend`,
    value: dollars(wanted),
    allowed: `at most ${dollars(available)} USD`,
  };
}

/** For people: with as many places as it takes, two at least. */
export function dollars(micros: number): string {
  const places = String(micros % 1_000_000)
    .padStart(6, '0')
    .replace(/0{1,4}$/, '');
  return `${Math.floor(micros / 1_000_000)}.${places}`;
}
