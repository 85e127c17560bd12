// E-mail through the operator's SMTP server.
import { createTransport } from 'nodemailer';
import { messageOf } from '../../../daemon/errors.ts';
import { type NoticePayload, noticeLines } from '../notice.ts';
import { DeliveryFailed } from './post.ts';

/** The operator's mail server. */
export interface SmtpOptions {
  /** `smtp://user:password@host:587` (STARTTLS where offered), `smtps://…` for TLS from the start. */
  readonly url: string;
  /** The sender's address. */
  readonly from: string;
}

/** Sends it; the id of the message is that of the delivery. @throws DeliveryFailed */
export async function sendEmail(
  { to }: { to: readonly string[] },
  { deliveryId, payload }: { deliveryId: string; payload: NoticePayload },
  { smtp, deadline }: { smtp: SmtpOptions | undefined; deadline: number },
): Promise<void> {
  if (!smtp) throw new DeliveryFailed('this broker has no mail server');
  const { promise: expired, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new DeliveryFailed(`no answer within ${deadline / 1000} s`)), deadline);
  const transport = createTransport(smtp.url, { from: smtp.from });
  try {
    const sent = transport.sendMail({
      to: [...to],
      subject: payload.summary.replaceAll(/\s+/g, ' ').slice(0, 200),
      text: textOf(payload),
      messageId: `<${deliveryId}@gpubroker>`,
      headers: { 'X-GPUBroker-Delivery': deliveryId, 'Auto-Submitted': 'auto-generated' },
      disableFileAccess: true,
      disableUrlAccess: true,
    });
    sent.catch(() => {});
    await Promise.race([sent, expired]);
  } catch (error) {
    if (error instanceof DeliveryFailed) throw error;
    throw new DeliveryFailed(withoutSecrets(messageOf(error), smtp));
  } finally {
    clearTimeout(timer);
    transport.close();
  }
}

function textOf(payload: NoticePayload): string {
  const { summary, rule, alert } = payload;
  const about = [`rule: ${rule.name} (${rule.id})`, `alert: ${alert.id}`, `since: ${alert.opened_at}`];
  if (alert.resolved_at) about.push(`resolved: ${alert.resolved_at}`);
  return `${[summary, '', ...noticeLines(payload), '', ...about].join('\n')}\n`;
}

/** What a tenant is told of the operator's server: what it answered, never how we sign in. */
function withoutSecrets(message: string, { url }: SmtpOptions): string {
  const password = decodeURIComponent(URL.parse(url)?.password ?? '');
  return password ? message.replaceAll(password, '…') : message;
}
