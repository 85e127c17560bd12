// Network addresses in the form HOST:PORT.
import { isIP } from 'node:net';

/** A network address; an IPv6 host is without its brackets. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** Reads `host:port`, `1.2.3.4:port` or `[::1]:port`; undefined if the text is none of these. */
export function parseAddress(text: string): Address | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+)):(\d{1,5})$/.exec(text);
  if (!match) return undefined;
  const [, ipv6, name, digits] = match;
  const host = ipv6 ?? name ?? '';
  const port = Number(digits);
  if (port > 65535 || (ipv6 !== undefined && isIP(ipv6) !== 6)) return undefined;
  return { host, port };
}

/** `host:port`, with brackets around an IPv6 host. */
export function formatAddress({ host, port }: Address): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Whether only this machine can reach the host. */
export function isLoopback(host: string): boolean {
  if (isIP(host) === 4) return host.startsWith('127.');
  return host === 'localhost' || /^(?:::1|(?:0+:){7}0*1|::ffff:127\..*)$/i.test(host);
}
