// The headers that tell browsers what pages of this server may do.
import helmet from '@fastify/helmet';
import type { ApiServer, HttpAppOptions } from './app.ts';

type Transport = Pick<HttpAppOptions, 'tls' | 'behindProxy'>;

/** Adds them to every answer. They are the same for all, so the plug-in makes them once. */
export async function addSecurityHeaders(app: ApiServer, options: Transport): Promise<void> {
  const contentSecurityPolicy = { useDefaults: false, directives: contentPolicy(options) };
  await app.register(helmet, { global: false, contentSecurityPolicy });
  let made: Record<string, string> | undefined;
  app.addHook('onRequest', async (_request, reply) => {
    if (!made) {
      await reply.helmet();
      made = reply.raw.getHeaders() as Record<string, string>;
    }
    reply.headers(made);
  });
}

/** What pages may load: nothing from elsewhere. The reference needs inline styles and images in data URLs. */
function contentPolicy({ tls, behindProxy }: Transport): Record<string, string[]> {
  const own = ["'self'"];
  return {
    'default-src': own,
    'base-uri': own,
    'connect-src': own,
    'form-action': own,
    'frame-ancestors': ["'none'"],
    'img-src': ["'self'", 'data:'],
    'object-src': ["'none'"],
    'script-src': own,
    'style-src': ["'self'", "'unsafe-inline'"],
    // Without TLS the reference's own files would be asked for where nobody listens.
    ...(tls || behindProxy ? { 'upgrade-insecure-requests': [] } : {}),
  };
}
