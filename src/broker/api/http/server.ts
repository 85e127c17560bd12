// Listening, and an end that lets requests in progress be answered.
import { formatAddress } from '../../../daemon/address.ts';
import { addressInUse, addressRefused, messageOf } from '../../../daemon/errors.ts';
import type { ApiServer } from './app.ts';

/**
 * Listens.
 * @returns the real port, also where any was asked for (0).
 * @throws CodedError if it cannot.
 */
export async function listen(app: ApiServer, address: { host: string; port: number }): Promise<number> {
  try {
    await app.listen(address);
  } catch (error) {
    const text = formatAddress(address);
    const { code } = error as NodeJS.ErrnoException;
    throw code === 'EADDRINUSE' ? addressInUse('http', text) : addressRefused('http', text, messageOf(error));
  }
  const bound = app.server.address();
  return typeof bound === 'object' && bound !== null ? bound.port : address.port;
}

/** Takes no more requests, waits for those in progress; once `force` is aborted, cuts them. */
export async function closeServer(app: ApiServer, force?: AbortSignal): Promise<void> {
  const cut = () => app.server.closeAllConnections();
  force?.addEventListener('abort', cut, { once: true });
  const closed = app.close();
  if (force?.aborted) cut();
  await closed.finally(() => force?.removeEventListener('abort', cut));
}
