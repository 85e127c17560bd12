// The events of the live market, as server-sent events.
import { type BookAt, depthView } from './depth.ts';
import { type PublicTrade, tapeView } from './tape.ts';

/** The number is the id: a client that comes back names the last one that it has. */
export function encodeTrade(trade: PublicTrade): string {
  return `id: ${trade.number}\nevent: trade\ndata: ${JSON.stringify(tapeView(trade))}\n\n`;
}

/** `same` is what two depths that show the same have in common. */
export function encodeDepth(book: BookAt, levels: number): { same: string; text: string } {
  const view = depthView(book, levels);
  const { seq: _seq, at: _at, ...same } = view;
  return { same: JSON.stringify(same), text: `event: depth\ndata: ${JSON.stringify(view)}\n\n` };
}
