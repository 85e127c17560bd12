// What calls cost, under the names of Go's Prometheus interceptor. Every call is counted in plain fields, which cost
// nanoseconds, and turned into metrics only when somebody asks: prom-client takes over a microsecond to count a call.
import { status } from '@grpc/grpc-js';
import { Counter, type Metric, type Registry } from 'prom-client';

/** Upper bounds of the buckets of handling times, in seconds. */
const bounds = [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5];

const labelNames = ['grpc_type', 'grpc_service', 'grpc_method'] as const;
type Labels = Readonly<Record<(typeof labelNames)[number], string>>;

/** Codes as Go spells them: `NotFound`, not `NOT_FOUND`; and `Canceled`, with one l. */
const codeNames = new Map(
  Object.entries(status)
    .filter((pair): pair is [string, status] => typeof pair[1] === 'number')
    .map(([name, code]) => [code, name === 'OK' ? name : pascalCase(name).replace('Cancelled', 'Canceled')]),
);

/** Counts the calls of one method. */
export class MethodMetrics {
  readonly labels: Labels;
  begun = 0;
  /** By code. */
  readonly ended = new Map<status, number>();
  /** One more than `bounds`: the last is for what took longer than all. */
  readonly buckets = new Array<number>(bounds.length + 1).fill(0);
  seconds = 0;

  constructor(labels: Labels) {
    this.labels = labels;
  }

  /** A call began; the returned time goes to {@link MethodMetrics.handled}. */
  started(): number {
    this.begun += 1;
    return performance.now();
  }

  /** A call ended. */
  handled(start: number, code: status): void {
    const seconds = (performance.now() - start) / 1000;
    this.ended.set(code, (this.ended.get(code) ?? 0) + 1);
    this.seconds += seconds;
    let bucket = 0;
    while (bucket < bounds.length && seconds > (bounds[bucket] as number)) bucket += 1;
    this.buckets[bucket] = (this.buckets[bucket] as number) + 1;
  }
}

/** Counts the calls of every method. */
export class RpcMetrics {
  readonly #methods = new Map<string, MethodMetrics>();

  constructor(registry: Registry) {
    const methods = this.#methods;
    new Counter({
      name: 'grpc_server_started_total',
      help: 'Calls that began.',
      labelNames,
      registers: [registry],
      collect() {
        this.reset();
        for (const { labels, begun } of methods.values()) this.inc(labels, begun);
      },
    });
    new Counter({
      name: 'grpc_server_handled_total',
      help: 'Calls that ended, by code.',
      labelNames: [...labelNames, 'grpc_code'],
      registers: [registry],
      collect() {
        this.reset();
        for (const { labels, ended } of methods.values()) {
          for (const [code, count] of ended)
            this.inc({ ...labels, grpc_code: codeNames.get(code) ?? 'Unknown' }, count);
        }
      },
    });
    registry.registerMetric(handlingSeconds(methods));
  }

  /** The counters of one method: the same for every server that serves it. */
  method(grpc_type: 'unary' | 'server_stream', grpc_service: string, grpc_method: string): MethodMetrics {
    const key = `${grpc_service}/${grpc_method}`;
    const known = this.#methods.get(key);
    if (known) return known;
    const method = new MethodMetrics({ grpc_type, grpc_service, grpc_method });
    this.#methods.set(key, method);
    return method;
  }
}

/** A histogram made of the methods' buckets; prom-client's own can only be fed one value at a time. */
function handlingSeconds(methods: ReadonlyMap<string, MethodMetrics>): Metric {
  const name = 'grpc_server_handling_seconds';
  const get = async () => ({
    name,
    help: 'How long calls took, in seconds; of streams, how long they lasted.',
    type: 'histogram',
    aggregator: 'sum',
    values: [...methods.values()].flatMap((method) => histogramValues(name, method)),
  });
  const reset = () => undefined;
  return { name, get, reset } as unknown as Metric;
}

function histogramValues(name: string, { labels, buckets, seconds }: MethodMetrics) {
  let count = 0;
  const values = buckets.map((inBucket, i) => {
    count += inBucket;
    const le = bounds[i] ?? '+Inf';
    return { metricName: `${name}_bucket`, labels: { ...labels, le } as object, value: count };
  });
  return [
    ...values,
    { metricName: `${name}_sum`, labels, value: seconds },
    { metricName: `${name}_count`, labels, value: count },
  ];
}

function pascalCase(name: string): string {
  return name.toLowerCase().replace(/(?:^|_)(\w)/g, (_match, letter: string) => letter.toUpperCase());
}
