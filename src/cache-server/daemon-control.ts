// DaemonControl: what the daemon says about itself, its log level, and what an operator declares.
import {
  DaemonControlService,
  type DeclareResetRequest,
  DeclareResetResponse,
  GetStatusResponse,
  type SetLogLevelRequest,
  SetLogLevelResponse,
} from '../wire/gpubroker/device/v1/daemon.ts';
import { toFrame } from './encoding.ts';
import { invalidField } from './errors.ts';
import { encoded, expectWritable, type RpcContext, unary } from './rpc.ts';

export const daemonControlName = 'gpubroker.device.v1.DaemonControl';
/** The methods of DaemonControl with answers that are bytes already. */
export const daemonControlDefinition = encoded(DaemonControlService);

/** What DaemonControl needs of the daemon. */
export interface Controlled {
  status(): GetStatusResponse;
  /** The level in force; set to change it. */
  logLevel: string;
  readonly logLevels: readonly string[];
  /** Counts a GPU as reset; returns how long it has to be quiet then, in milliseconds. Rejects with a CacheError. */
  declareReset(name: string): Promise<number>;
}

/** The handlers of one server. */
export function createDaemonControl(daemon: Controlled, context: RpcContext) {
  return {
    getStatus: unary(context, daemonControlName, 'GetStatus', (_request, _call, answer) =>
      answer(toFrame(GetStatusResponse.encode(daemon.status()))),
    ),
    setLogLevel: unary<SetLogLevelRequest>(context, daemonControlName, 'SetLogLevel', ({ level }, _call, answer) => {
      expectWritable(context);
      if (!daemon.logLevels.includes(level)) {
        throw invalidField('level', level, `one of ${daemon.logLevels.join(', ')} is`);
      }
      const previous = daemon.logLevel;
      daemon.logLevel = level;
      answer(toFrame(SetLogLevelResponse.encode({ previous })));
    }),
    declareReset: unary<DeclareResetRequest>(
      context,
      daemonControlName,
      'DeclareReset',
      async ({ name }, _call, answer) => {
        expectWritable(context);
        const quietPeriodMillis = await daemon.declareReset(name);
        answer(toFrame(DeclareResetResponse.encode({ quietPeriodMillis })));
      },
    ),
  };
}
