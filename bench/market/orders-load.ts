// One load process of orders.ts: orders at times that do not depend on the answers, over sockets that stay open.
//
// Its requests are bytes made beforehand, and of an answer it looks at what it needs: on a small machine, a client that
// costs as much as the server would measure itself. A time begins when its order was due, not when a socket was free.
import { connect, type Socket } from 'node:net';

/** What a load process is told. */
export interface LoadOrder {
  readonly url: string;
  readonly keys: readonly string[];
  readonly connections: number;
  /** Orders a second of this process. */
  readonly rate: number;
  readonly seconds: number;
  readonly seed: number;
}

/** What it tells: milliseconds from when an order was due to its answer, and what else was answered. */
export interface LoadReport {
  readonly latencies: number[];
  readonly traded: number;
  /** By status and code. */
  readonly others: Record<string, number>;
}

const order = JSON.stringify({
  type: 'bid',
  gpu_type: 'H100-SXM5-80GB',
  quantity: 1,
  price: '5.00',
  duration_hours: 24,
});

process.on('message', (order: LoadOrder) => {
  run(order).then(
    (report) => process.send?.(report),
    (error: unknown) => {
      process.stderr.write(`${String(error)}\n`);
      process.exit(1);
    },
  );
});

/** Exponential pauses: as many people who know nothing of each other order. */
function arrivals({ rate, seconds, seed }: LoadOrder): number[] {
  let state = seed;
  const random = () => {
    // An xorshift: the same orders in every run.
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return ((state >>> 0) + 1) / (2 ** 32 + 1);
  };
  const due: number[] = [];
  for (let at = 0; ; due.push(at)) {
    at += (-Math.log(random()) / rate) * 1000;
    if (at > seconds * 1000) return due;
  }
}

interface Line {
  readonly socket: Socket;
  readonly request: Buffer;
  /** When its order was due; of the order that is on the way. */
  due: number;
  text: string;
}

async function run(given: LoadOrder): Promise<LoadReport> {
  const due = arrivals(given);
  const report: LoadReport = { latencies: [], traded: 0, others: {} };
  let traded = 0;
  const lines = await Promise.all(Array.from({ length: given.connections }, (_, place) => open(given, place)));
  const free = [...lines];
  const start = performance.now() + 100;
  let next = 0;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const send = () => {
    const now = performance.now() - start;
    while (next < due.length && (due[next] ?? 0) <= now) {
      // The one that has rested longest: the server closes those that rest too long.
      const line = free.shift();
      if (!line) return;
      line.due = due[next++] ?? 0;
      line.socket.write(line.request);
    }
  };
  for (const line of lines) {
    line.socket.on('error', reject);
    line.socket.on('data', (chunk: string) => {
      line.text += chunk;
      const answer = whole(line.text);
      if (!answer) return;
      line.text = '';
      report.latencies.push(performance.now() - start - line.due);
      if (answer.status === 201 && answer.body.includes('"status":"filled"')) traded++;
      else count(report.others, answer);
      free.push(line);
      if (report.latencies.length === due.length) resolve();
      else send();
    });
  }
  const clock = setInterval(send, 1);
  await promise;
  clearInterval(clock);
  for (const { socket } of lines) socket.destroy();
  return { ...report, traded };
}

function open({ url, keys }: LoadOrder, place: number): Promise<Line> {
  const { hostname, port } = new URL(url);
  const head = [
    'POST /api/v2/orders HTTP/1.1',
    `Host: ${hostname}:${port}`,
    `Authorization: Bearer ${keys[place % keys.length]}`,
    'Content-Type: application/json',
    `Content-Length: ${order.length}`,
  ];
  const socket = connect({ host: hostname, port: Number(port), noDelay: true });
  socket.setEncoding('latin1');
  const line = { socket, request: Buffer.from(`${head.join('\r\n')}\r\n\r\n${order}`), due: 0, text: '' };
  return new Promise((resolve, reject) => {
    socket.once('connect', () => resolve(line));
    socket.once('error', reject);
  });
}

/** The answer, once all of it is there. */
function whole(text: string): { status: number; body: string } | undefined {
  const end = text.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const head = text.slice(0, end);
  const [, length = '0'] = /\r\ncontent-length: (\d+)/i.exec(head) ?? [];
  const body = text.slice(end + 4);
  return body.length < Number(length) ? undefined : { status: Number(head.slice(9, 12)), body };
}

function count(others: Record<string, number>, { status, body }: { status: number; body: string }): void {
  const [, word = ''] = /"(?:code|status)":"(\w+)"/.exec(body) ?? [];
  const name = `${status} ${word}`;
  others[name] = (others[name] ?? 0) + 1;
}
