// The log as text for people: one line a message, `TIME LEVEL message key=value …`.
import type { DestinationStream } from 'pino';

/** Fields that are the same on every line, or shown in front. */
const hidden = new Set(['time', 'level', 'msg', 'daemon', 'node', 'err']);

/** A stream that takes JSON lines and hands text lines to `output`. */
export function textLines(output: DestinationStream): DestinationStream {
  return { write: (line) => output.write(formatLine(line)) };
}

function formatLine(line: string): string {
  const record: Record<string, unknown> = JSON.parse(line);
  const fields = Object.entries(record).filter(([name]) => !hidden.has(name));
  const words = [
    String(record.time),
    String(record.level).toUpperCase().padEnd(5),
    String(record.msg ?? ''),
    ...fields.map(([name, value]) => `${name}=${formatValue(value)}`),
  ];
  return `${words.join(' ')}${formatError(record.err)}\n`;
}

function formatValue(value: unknown): string {
  return typeof value === 'string' && /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value);
}

/** The error's own text, its advice or stack on lines below. */
function formatError(err: unknown): string {
  if (typeof err !== 'object' || err === null) return '';
  const { code, message, advice, stack }: Record<string, unknown> = { ...err };
  if (typeof stack === 'string') return `\n  ${stack.replaceAll('\n', '\n  ')}`;
  return `: ${message}${code ? ` [${code}]` : ''}${advice ? `\n  ${advice}` : ''}`;
}
