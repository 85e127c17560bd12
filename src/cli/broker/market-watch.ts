// `gpubroker market watch`: the book of a product as it is now, with its latest trades.
import type { Depth, TapeTrade } from '../../api/market.ts';
import type { Client, ServerEvent } from '../../client/client.ts';
import { oneLine, openScreen, print, printJsonLine } from '../output.ts';
import { bestLine, bookLines } from './book-view.ts';
import { followStream, type Patience } from './follow.ts';

/** How many trades stand below the book. */
const shownTrades = 10;

interface Watching {
  readonly product: string;
  /** Of each side, 1 to 100. */
  readonly levels: number;
  readonly json: boolean;
}

/**
 * Redraws the book in place on a terminal, else prints a line for each event, until `stop` is aborted. A broker that
 * goes away is waited for.
 * @throws CodedError when the first attempt fails, or the broker refuses for good.
 */
export async function watchMarket(
  client: Client,
  { product, levels, json }: Watching,
  stop: AbortSignal,
  patience?: Patience,
): Promise<void> {
  const path = `/market/stream?${new URLSearchParams({ gpu_type: product, levels: String(levels) })}`;
  if (json || !process.stdout.isTTY) {
    const accept = json ? printEvent : printLine;
    return followStream(client, { path, accept }, stop, patience);
  }
  const screen = openScreen();
  const picture = new Picture(product, levels);
  const accept = (event: ServerEvent) => {
    picture.accept(event);
    screen.show(picture.lines());
  };
  const interrupted = (why: string) => {
    picture.remark = why;
    screen.show(picture.lines());
  };
  try {
    await followStream(client, { path, accept, interrupted }, stop, patience);
  } finally {
    screen.close();
  }
}

/** What has been heard of the product so far. */
class Picture {
  readonly #product: string;
  readonly #levels: number;
  #depth: Depth | undefined;
  #trades: TapeTrade[] = [];
  /** What stands below all, until the next event. */
  remark = '';

  constructor(product: string, levels: number) {
    this.#product = product;
    this.#levels = levels;
  }

  accept(event: ServerEvent): void {
    const heard = read(event);
    if (heard?.event === 'depth') this.#depth = heard.depth;
    if (heard?.event === 'trade') this.#trades = [heard.trade, ...this.#trades].slice(0, shownTrades);
    this.remark = '';
  }

  lines(): string[] {
    const book = this.#depth ? bookLines(this.#depth, this.#levels) : ['waiting for the book'];
    const trades = this.#trades.map(tradeLine);
    const foot = trades.length > 0 ? ['', 'TRADES', ...trades] : [];
    return [this.#depth?.gpu_type ?? this.#product, '', ...book, ...foot, '', this.remark || 'Ctrl-C ends this.'];
  }
}

type Heard =
  | { readonly event: 'depth'; readonly depth: Depth }
  | { readonly event: 'trade'; readonly trade: TapeTrade };

/** Undefined for an event that this version does not know. */
function read({ event, data }: ServerEvent): Heard | undefined {
  if (event === 'depth') return { event, depth: JSON.parse(data) as Depth };
  if (event === 'trade') return { event, trade: JSON.parse(data) as TapeTrade };
  return undefined;
}

function printEvent({ event, data }: ServerEvent): void {
  if (data !== '') printJsonLine({ event, data: JSON.parse(data) as unknown });
}

function printLine(event: ServerEvent): void {
  const heard = read(event);
  if (heard?.event === 'depth') print(oneLine(`${new Date().toISOString()}  depth  ${bestLine(heard.depth)}`));
  if (heard?.event === 'trade') print(oneLine(`${tradeLine(heard.trade)}`));
}

function tradeLine({ executed_at, price, quantity, duration_hours }: TapeTrade): string {
  return `${executed_at}  trade  ${quantity} at ${price} for ${duration_hours} h`;
}
