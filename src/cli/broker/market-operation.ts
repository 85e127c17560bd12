// `gpubroker market status|halt|kill|rules|…`: what admins do to the market.
import type { Halt, KillSwitch, KillSwitchRelease, Resume } from '../../api/market.ts';
import type { MatchTrigger } from '../../api/orders.ts';
import type { ProductChange } from '../../api/products.ts';
import type { Client } from '../../client/client.ts';
import { print, printJson } from '../output.ts';
import { type Columns, showDone, showList, showOne } from './show.ts';

interface Stopped {
  readonly what: string;
  readonly reason: string;
}

const stoppedColumns: Columns<Stopped> = { STOPPED: ({ what }) => what, REASON: ({ reason }) => reason };

export async function showMarket(client: Client, json: boolean): Promise<void> {
  const status = await client.call('GET /market/status', {});
  if (json) return printJson(status);
  const { halted, kill_switches, ...figures } = status;
  showOne(figures, json);
  print('');
  const stopped = [
    ...halted.map(({ gpu_type, reason }) => ({ what: `product ${gpu_type}`, reason })),
    ...kill_switches.map(({ account_id, reason }) => ({
      what: account_id ? `account ${account_id}` : 'everybody',
      reason,
    })),
  ];
  showList(stopped, { json, columns: stoppedColumns, nothing: 'Everything is traded, and everybody may order.' });
}

export async function haltMarket(client: Client, json: boolean, body: Halt): Promise<void> {
  const answer = await client.call('POST /market/halt', { body });
  showDone(answer, `Halted ${body.gpu_type ?? 'every product'}; \`gpubroker market resume\` trades again.`, json);
}

export async function resumeMarket(client: Client, json: boolean, body: Resume): Promise<void> {
  showDone(await client.call('POST /market/resume', { body }), `Resumed ${body.gpu_type ?? 'every product'}.`, json);
}

export async function killSwitch(client: Client, json: boolean, body: KillSwitch): Promise<void> {
  const answer = await client.call('POST /market/kill-switch', { body });
  const who = body.account_id === undefined ? 'Everybody' : `Account ${body.account_id}`;
  const said = `${who} may order no more; ${answer.cancelled} orders were cancelled.`;
  showDone(answer, said, json);
}

export async function releaseSwitch(client: Client, json: boolean, body: KillSwitchRelease): Promise<void> {
  const who = body.account_id === undefined ? 'Everybody' : `Account ${body.account_id}`;
  showDone(await client.call('POST /market/kill-switch/release', { body }), `${who} may order again.`, json);
}

export async function matchMarket(client: Client, json: boolean, body: MatchTrigger): Promise<void> {
  const answer = await client.call('POST /orders/match', { body });
  showDone(answer, `${answer.trades} trades were made.`, json);
}

export async function changeRules(client: Client, json: boolean, id: string, body: ProductChange): Promise<void> {
  const product = await client.call('PATCH /products/{id}', { params: { id }, body });
  showDone(product, `Changed how ${product.id} is traded.`, json);
}

/** @param seconds how long it has run in all */
export async function settleTrade(client: Client, json: boolean, id: string, seconds: number): Promise<void> {
  const trade = await client.call('POST /trades/{id}/settle', { params: { id }, body: { seconds } });
  showDone(trade, `Trade ${id}: ${trade.paid} of ${trade.cost} is paid.`, json);
}

export async function endTrade(client: Client, json: boolean, id: string, reason: string): Promise<void> {
  const trade = await client.call('POST /trades/{id}/end', { params: { id }, body: { reason } });
  showDone(trade, `Trade ${id} is over; ${trade.paid} was paid.`, json);
}
