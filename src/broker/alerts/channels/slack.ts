// Slack: an incoming webhook takes a text for notifications and blocks for the message.
import { type NoticePayload, noticeLines } from '../notice.ts';
import type { DestinationPolicy } from './destinations.ts';
import { post } from './post.ts';

/** Slack refuses longer texts of a block. */
const longestBlock = 3000;
const longestHeader = 150;

/** What Slack is sent. */
export function slackMessage(payload: NoticePayload): { text: string; blocks: unknown[] } {
  const { summary, alert, rule } = payload;
  const lines = noticeLines(payload).map((line) => `• ${escaped(line)}`);
  const context = `${escaped(rule.name)} · ${escaped(alert.group)} · since ${alert.opened_at}`;
  return {
    text: escaped(summary),
    blocks: [
      // A header is plain text, which is shown as it is.
      { type: 'header', text: { type: 'plain_text', text: cut(summary, longestHeader) } },
      ...(lines.length > 0
        ? [{ type: 'section', text: { type: 'mrkdwn', text: wholeLines(lines, longestBlock) } }]
        : []),
      { type: 'context', elements: [{ type: 'mrkdwn', text: cut(context, longestBlock) }] },
    ],
  };
}

/** Sends it. @throws DeliveryFailed */
export async function sendSlack(
  { url }: { url: string },
  { deliveryId, payload }: { deliveryId: string; payload: NoticePayload },
  bounds: { policy: DestinationPolicy; deadline: number },
): Promise<void> {
  const body = JSON.stringify(slackMessage(payload));
  await post({ url, headers: { 'x-gpubroker-delivery': deliveryId }, body, ...bounds });
}

/** Names come from tenants: none of them may mention a channel or make a link. */
function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

function cut(text: string, longest: number): string {
  return text.length <= longest ? text : `${text.slice(0, longest - 1).toWellFormed()}…`;
}

function wholeLines(lines: readonly string[], longest: number): string {
  let text = '';
  for (const line of lines) {
    if (text.length + line.length + 2 > longest) return `${text}\n…`;
    text += text ? `\n${line}` : cut(line, longest - 2);
  }
  return text;
}
