// Bars that show how far measurements are: on standard error, and only where that is a terminal.
import { fitted, oneLine } from './output.ts';

/** How far one of them is. */
export interface Progressed {
  readonly name: string;
  readonly done: number;
  readonly total: number;
  /** What runs now; undefined for nothing. */
  readonly current: string | undefined;
}

export interface Progress {
  /** Shows a bar for each name, in the order in which they came. */
  show(progressed: Progressed): void;
  /** Takes the bars away. */
  close(): void;
}

/** In characters. */
const barLength = 16;
/** Of a terminal that does not say how large it is. */
const usual = { columns: 80, rows: 24 };

export function openProgress(): Progress {
  return process.stderr.isTTY ? new Bars() : { show: () => undefined, close: () => undefined };
}

class Bars implements Progress {
  readonly #all = new Map<string, Progressed>();
  /** Lines that stand on the terminal; the cursor is below them. */
  #drawn = 0;

  show(progressed: Progressed): void {
    this.#all.set(progressed.name, progressed);
    this.#draw(this.#lines());
  }

  close(): void {
    this.#draw([]);
  }

  #draw(lines: readonly string[]): void {
    const { stderr } = process;
    const columns = stderr.columns || usual.columns;
    const back = this.#drawn > 0 ? `\u001b[${this.#drawn}A` : '';
    const text = lines.map((line) => `${fitted(line, columns)}\u001b[K\n`).join('');
    stderr.write(`${back}\r${text}\u001b[J`);
    this.#drawn = lines.length;
  }

  /** No more than the terminal has room for: what scrolls away cannot be drawn over. */
  #lines(): string[] {
    const all = [...this.#all.values()];
    const room = Math.max(1, (process.stderr.rows || usual.rows) - 2);
    const width = Math.max(...all.map(({ name }) => name.length));
    const lines = all.slice(0, room).map((one) => lineOf(one, width));
    return all.length > room ? [...lines, `and ${all.length - room} more`] : lines;
  }
}

function lineOf({ name, done, total, current }: Progressed, width: number): string {
  const full = total > 0 ? Math.round((barLength * done) / total) : 0;
  const bar = '█'.repeat(full) + '░'.repeat(barLength - full);
  return oneLine(`${name.padEnd(width)}  ${bar}  ${done} of ${total}  ${current ?? ''}`.trimEnd());
}
