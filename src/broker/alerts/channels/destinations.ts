// Which addresses a tenant's webhook may lead to: public ones, so that nobody reaches into our network through us.
import { type LookupAddress, type LookupOptions, lookup } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import { invalid, Refusal } from '../../refusal.ts';

/** What an operator may allow besides HTTPS to public addresses. */
export interface DestinationPolicy {
  /** Plain HTTP. */
  readonly insecure: boolean;
  /** Loopback, private and other addresses that are not public. */
  readonly private: boolean;
}

const notPublic = new BlockList();
for (const range of [
  '0.0.0.0/8', // this network
  '10.0.0.0/8',
  '100.64.0.0/10', // carriers' NAT
  '127.0.0.0/8',
  '169.254.0.0/16', // link-local, and the metadata of clouds
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24', // documentation
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15', // benchmarks
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4', // multicast
  '240.0.0.0/4',
]) {
  const [net = '', bits] = range.split('/');
  notPublic.addSubnet(net, Number(bits), 'ipv4');
}
// Of IPv6 only global unicast is public; in it lie ranges that lead to IPv4 or nowhere.
const publicSix = new BlockList();
publicSix.addSubnet('2000::', 3, 'ipv6');
for (const range of ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20']) {
  const [net = '', bits] = range.split('/');
  notPublic.addSubnet(net, Number(bits), 'ipv6');
}

/** Whether an address is one of the public Internet. */
export function isPublic(address: string): boolean {
  const family = isIP(address);
  if (family === 4) return !notPublic.check(address, 'ipv4');
  return family === 6 && publicSix.check(address, 'ipv6') && !notPublic.check(address, 'ipv6');
}

/**
 * Checks what can be checked without DNS.
 * @param field where the URL stands in the request.
 * @throws Refusal invalid
 */
export function checkUrl(text: string, policy: DestinationPolicy, field: string): URL {
  const url = URL.parse(text);
  const shown = url ? `${url.protocol}//${url.host}` : '…';
  const allowed = policy.insecure ? 'an HTTP or HTTPS URL' : 'an HTTPS URL';
  if (!url || !(url.protocol === 'https:' || (url.protocol === 'http:' && policy.insecure))) {
    throw invalid(field, shown, allowed);
  }
  if (url.username || url.password) throw invalid(field, shown, `${allowed} without user name and password`);
  if (!policy.private && isIP(hostOf(url)) && !isPublic(hostOf(url))) {
    throw invalid(field, shown, `${allowed} with a public address`);
  }
  return url;
}

/** The host without the brackets of IPv6. */
function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '');
}

/**
 * Resolves a name for a connection and refuses it if any of its addresses is not public. The connection is made to
 * what is checked here, so a name that changes its mind in between gains nothing.
 */
export function guardedLookup(policy: DestinationPolicy, resolve = resolveAll): LookupFunction {
  return (host, options, done) => {
    resolve(host, options, (error, addresses) => {
      if (error) return done(error, '', 0);
      const wrong = policy.private ? undefined : addresses.find(({ address }) => !isPublic(address));
      const [first] = addresses;
      if (wrong || !first) return done(notAllowed(host), '', 0);
      return options.all ? done(null, addresses) : done(null, first.address, first.family);
    });
  };
}

type ResolveDone = (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void;

function resolveAll(host: string, options: LookupOptions, done: ResolveDone): void {
  lookup(host, { ...options, all: true }, done);
}

/** Which address it was is not told: that would map our network for whoever asks. */
function notAllowed(host: string): Refusal {
  return new Refusal('invalid', 'GPUB_DESTINATION_REFUSED', `${host} does not lead to a public address`);
}
