// A channel of a rule: how it is stored, shown without its secrets, and sent through.
import type { ChannelInput, ChannelView } from '../../../api/alerts.ts';
import { messageOf } from '../../../daemon/errors.ts';
import { newId } from '../../ids.ts';
import { invalid, Refusal } from '../../refusal.ts';
import type { NoticePayload } from '../notice.ts';
import { checkUrl, type DestinationPolicy } from './destinations.ts';
import { type SmtpOptions, sendEmail } from './email.ts';
import { DeliveryFailed } from './post.ts';
import { sendSlack } from './slack.ts';
import { sendWebhook } from './webhook.ts';

/** As it is stored. */
export type Channel =
  | { readonly id: string; readonly type: 'webhook'; readonly url: string; readonly secret: string }
  | { readonly id: string; readonly type: 'email'; readonly to: readonly string[] }
  | { readonly id: string; readonly type: 'slack'; readonly url: string };

/** What sending needs. */
export interface ChannelOptions {
  readonly smtp: SmtpOptions | undefined;
  readonly destinations: DestinationPolicy;
  /** Milliseconds for one attempt. */
  readonly deadline: number;
}

/** One message through one channel. */
export interface Message {
  readonly deliveryId: string;
  readonly payload: NoticePayload;
  readonly now: Date;
}

/**
 * What is stored of what somebody gave; a channel that names one that is there keeps its secret if none is given.
 * @throws Refusal invalid, or GPUB_NO_MAIL_SERVER.
 */
export function channelsOf(
  inputs: readonly ChannelInput[],
  existing: readonly Channel[],
  options: Pick<ChannelOptions, 'smtp' | 'destinations'>,
): Channel[] {
  const ids = inputs.flatMap(({ id }) => (id === undefined ? [] : [id]));
  if (new Set(ids).size < ids.length) throw invalid('body.channels', ids, 'every channel once');
  return inputs.map((input, place) => channelOf(input, existing, options, `body.channels[${place}]`));
}

function channelOf(
  input: ChannelInput,
  existing: readonly Channel[],
  { smtp, destinations }: Pick<ChannelOptions, 'smtp' | 'destinations'>,
  field: string,
): Channel {
  const before = existing.find(({ id, type }) => id === input.id && type === input.type);
  if (input.id !== undefined && !before) {
    throw invalid(`${field}.id`, input.id, 'the id of a channel of this rule and type, or none');
  }
  const id = before?.id ?? newId();
  switch (input.type) {
    case 'email':
      if (!smtp) {
        const message = 'this broker has no mail server, so it cannot send e-mail: its operator gives --smtp-url-file';
        throw new Refusal('conflict', 'GPUB_NO_MAIL_SERVER', message, { field });
      }
      return { id, type: 'email', to: input.to };
    case 'webhook': {
      const secret = input.secret ?? (before?.type === 'webhook' ? before.secret : undefined);
      if (secret === undefined) throw invalid(`${field}.secret`, null, 'a secret of at least 16 characters');
      checkUrl(input.url, destinations, `${field}.url`);
      return { id, type: 'webhook', url: input.url, secret };
    }
    case 'slack': {
      const url = input.url ?? (before?.type === 'slack' ? before.url : undefined);
      if (url === undefined) throw invalid(`${field}.url`, null, 'the URL of an incoming webhook');
      checkUrl(url, destinations, `${field}.url`);
      return { id, type: 'slack', url };
    }
  }
}

/** Without secrets: a Slack URL is one, and so may be the query of any. */
export function channelView(channel: Channel): ChannelView {
  const { id, type } = channel;
  if (channel.type === 'email') return { id, type, to: [...channel.to] };
  const url = new URL(channel.url);
  if (channel.type === 'slack') return { id, type, url: `${url.origin}/…` };
  return { id, type, url: url.origin + url.pathname + (url.search && '?…') };
}

/** Sends it. @throws DeliveryFailed, always with a text that may be shown to the owner of the rule. */
export async function sendThrough(channel: Channel, message: Message, options: ChannelOptions): Promise<void> {
  const { smtp, destinations: policy, deadline } = options;
  try {
    if (channel.type === 'email') await sendEmail(channel, message, { smtp, deadline });
    else if (channel.type === 'slack') await sendSlack(channel, message, { policy, deadline });
    else await sendWebhook(channel, message, { policy, deadline });
  } catch (error) {
    if (error instanceof DeliveryFailed) throw error;
    throw new DeliveryFailed(messageOf(error));
  }
}
