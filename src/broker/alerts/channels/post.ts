// One POST to a URL that a tenant gave: with a deadline, to a public address, without redirects, and little is read.
import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { messageOf } from '../../../daemon/errors.ts';
import { checkUrl, type DestinationPolicy, guardedLookup } from './destinations.ts';

/** A notice that did not get through. */
export class DeliveryFailed extends Error {
  override readonly name = 'DeliveryFailed';
  /** Whether it is no use to try again. */
  readonly final: boolean;

  constructor(message: string, final = false) {
    super(message);
    this.final = final;
    delete this.stack;
  }
}

/** What is sent, and within which bounds. */
export interface Post {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** JSON. */
  readonly body: string;
  readonly policy: DestinationPolicy;
  /** Milliseconds, for everything. */
  readonly deadline: number;
}

/** Bytes of an answer that are read. */
const answerLimit = 64 * 1024;

/** Resolves when the receiver has answered with 2xx. @throws DeliveryFailed */
export async function post(message: Post): Promise<void> {
  const url = checkUrl(message.url, message.policy, 'url');
  const expired = AbortSignal.timeout(message.deadline);
  const status = await answerTo(url, message, expired).catch((error: unknown) => {
    if (expired.aborted) throw new DeliveryFailed(`no answer within ${message.deadline / 1000} s`);
    throw new DeliveryFailed(messageOf(error) || 'no connection');
  });
  if (status >= 200 && status < 300) return;
  if (status >= 300 && status < 400) {
    throw new DeliveryFailed(`answered ${status}: redirects are not followed; give the URL that it leads to`);
  }
  throw new DeliveryFailed(`answered ${status}`, status === 410);
}

function answerTo(url: URL, { headers, body, policy }: Post, signal: AbortSignal): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const send = url.protocol === 'https:' ? requestHttps : requestHttp;
  const sent = send(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
      'user-agent': 'gpubroker',
      ...headers,
    },
    // A connection of its own, so that no other's is used that was opened under another policy.
    agent: false,
    lookup: guardedLookup(policy),
    maxHeaderSize: 16 * 1024,
    signal,
  });
  sent.on('error', reject);
  sent.on('response', (answer) => {
    let read = 0;
    const done = () => {
      resolve(answer.statusCode ?? 0);
      sent.destroy();
    };
    answer.on('data', (chunk: Buffer) => {
      read += chunk.length;
      if (read > answerLimit) done();
    });
    answer.on('end', done);
    answer.on('error', reject);
  });
  sent.end(body);
  return promise;
}
