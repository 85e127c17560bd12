// Webhooks: the notice as JSON, signed so that the receiver knows who sent it, and when.
import { createHmac } from 'node:crypto';
import type { NoticePayload } from '../notice.ts';
import type { DestinationPolicy } from './destinations.ts';
import { post } from './post.ts';

/** The signature of a body sent at a time (seconds since 1970): HMAC-SHA-256 of `timestamp.body`. */
export function signatureOf(secret: string, timestamp: number, body: string): string {
  return `v1=${createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex')}`;
}

/** Sends it. A receiver may get it twice: then with the same delivery id. @throws DeliveryFailed */
export async function sendWebhook(
  { url, secret }: { url: string; secret: string },
  { deliveryId, payload, now }: { deliveryId: string; payload: NoticePayload; now: Date },
  bounds: { policy: DestinationPolicy; deadline: number },
): Promise<void> {
  const body = JSON.stringify(payload);
  const timestamp = Math.floor(now.getTime() / 1000);
  const headers = {
    'x-gpubroker-delivery': deliveryId,
    'x-gpubroker-timestamp': String(timestamp),
    'x-gpubroker-signature': signatureOf(secret, timestamp, body),
  };
  await post({ url, headers, body, ...bounds });
}
