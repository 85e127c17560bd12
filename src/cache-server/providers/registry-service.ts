// ProviderRegistry: registrations and beats of providers, and who reports what.
import type { Metadata } from '@grpc/grpc-js';
import {
  type GetReportsRequest,
  GetReportsResponse,
  HeartbeatResponse,
  ListProvidersResponse,
  ProviderRegistryService,
  type RegisterRequest,
  RegisterResponse,
  type Report,
  type UnregisterRequest,
  UnregisterResponse,
} from '../../wire/gpubroker/device/v1/provider_registry.ts';
import type { Cache } from '../cache.ts';
import { toFrame } from '../encoding.ts';
import { CacheError } from '../errors.ts';
import type { CachedGpu } from '../gpu.ts';
import { encoded, expectWritable, providerOf, type RpcContext, unary } from '../rpc.ts';
import { readName } from '../write.ts';
import type { Providers } from './providers.ts';
import { expectOwnName, readRegistration } from './registration.ts';

export const providerRegistryName = 'gpubroker.device.v1.ProviderRegistry';
/** The methods of ProviderRegistry with answers that are bytes already. */
export const providerRegistryDefinition = encoded(ProviderRegistryService);

/** The handlers of one server; `usualIntervalMs` is the interval of providers that name none. */
export function createProviderRegistry(
  cache: Cache,
  providers: Providers,
  usualIntervalMs: number,
  context: RpcContext,
) {
  const registering = (metadata: Metadata): string => {
    expectWritable(context);
    return expectOwnName(providerOf(metadata));
  };
  return {
    register: unary<RegisterRequest>(
      context,
      providerRegistryName,
      'Register',
      async (request, { metadata }, answer) => {
        const registration = readRegistration(request, registering(metadata), usualIntervalMs);
        await providers.register(registration);
        cache.read((view) => {
          const reportAgain = providers.waitsForReport(registration.id, view);
          const heartbeatIntervalMillis = registration.intervalMs;
          answer(toFrame(RegisterResponse.encode({ heartbeatIntervalMillis, reportAgain })));
        });
      },
    ),
    heartbeat: unary(context, providerRegistryName, 'Heartbeat', (_request, { metadata }, answer) => {
      const id = registering(metadata);
      providers.heartbeat(id);
      cache.read((view) => {
        answer(toFrame(HeartbeatResponse.encode({ reportAgain: providers.waitsForReport(id, view) })));
      });
    }),
    unregister: unary<UnregisterRequest>(
      context,
      providerRegistryName,
      'Unregister',
      async ({ removeConditions }, { metadata }, answer) => {
        await providers.unregister(registering(metadata), removeConditions);
        answer(toFrame(UnregisterResponse.encode({})));
      },
    ),
    listProviders: unary(context, providerRegistryName, 'ListProviders', (_request, _call, answer) => {
      cache.read((view) => answer(toFrame(ListProvidersResponse.encode({ providers: providers.list(view) }))));
    }),
    getReports: unary<GetReportsRequest>(
      context,
      providerRegistryName,
      'GetReports',
      ({ name }, _call, answer, refuse) => {
        readName(name, 'name');
        cache.read((view) => {
          const entry = view.get(name);
          if (entry) answer(toFrame(GetReportsResponse.encode(reportsOf(entry.gpu))));
          else refuse(new CacheError('not-found', `no GPU is named ${JSON.stringify(name)}`));
        });
      },
    ),
  };
}

function reportsOf({ name, version, conditions, actions }: CachedGpu): GetReportsResponse {
  const ids = new Set([...conditions.map(({ provider }) => provider), ...Object.keys(actions)]);
  const reports = [...ids].sort().map((id): Report => {
    const own = conditions.filter(({ provider }) => provider === id);
    return {
      provider: id,
      conditions: own.map(({ type, status, reason, message, lastTransitionMs, confirmed }) => ({
        type,
        status,
        reason,
        message,
        lastTransitionTime: new Date(lastTransitionMs),
        stale: !confirmed,
      })),
      recommendedAction: (Object.hasOwn(actions, id) ? actions[id] : undefined) ?? '',
    };
  });
  return { name, resourceVersion: BigInt(version), reports };
}
