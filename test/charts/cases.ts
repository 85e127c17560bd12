// The values under which the chart is looked at: one entry a way of using it.
import type { Values } from '../fixtures/helm.ts';

export interface Case {
  readonly values: Values;
  /** On a cluster with Prometheus's operator. */
  readonly monitoring?: boolean;
}

const broker = {
  url: 'https://broker.example:10356',
  caSecret: 'gpubroker-ca',
  tokenSecret: 'gpubroker-token',
  clientCertSecret: 'gpubroker-client',
};

export const cases = {
  default: { values: {} },
  monitoring: {
    values: {
      metrics: { serviceMonitor: { interval: '15s', labels: { release: 'prometheus' } } },
      podDisruptionBudget: { enabled: true, minAvailable: 2 },
    },
    monitoring: true,
  },
  amd: { values: { vendors: ['amd'] } },
  mixed: { values: { vendors: ['nvidia', 'amd', 'intel'], deviceAccess: 'privileged' } },
  'chosen-nodes': {
    values: {
      vendors: [],
      nodeSelector: { 'example.com/gpus': 'simulated' },
      tolerations: [{ operator: 'Exists' }],
      affinity: {
        nodeAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: {
            nodeSelectorTerms: [{ matchExpressions: [{ key: 'zone', operator: 'In', values: ['a', 'b'] }] }],
          },
        },
      },
      config: { sources: 'simulated', simulate: 'dgx-a100', 'probe-interval': '2s' },
    },
  },
  'nvidia-runtime': {
    values: { runtimeClassName: 'nvidia', nodeSelector: { pool: 'gpu' }, tolerations: [], priorityClassName: '' },
  },
  privileged: {
    values: { deviceAccess: 'privileged', driverRoot: '/', kernelLog: { enabled: true } },
  },
  broker: {
    values: {
      broker,
      podResources: { enabled: true },
      networkPolicy: {
        enabled: true,
        metricsFrom: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'monitoring' } } }],
      },
    },
  },
  'device-plugin': {
    values: {
      vendors: ['amd'],
      devicePlugin: { enabled: true, resourceName: 'amd.com/gpu', config: { 'lost-after': '30s' } },
      networkPolicy: { enabled: true },
    },
    monitoring: true,
  },
  served: {
    values: {
      server: {
        grpcAddress: '0.0.0.0:50051',
        grpcAllowWrites: true,
        tlsSecret: 'device-api-tls',
        unixSocket: '/run/gpus/api/gpu.sock',
        socketGroup: 4242,
        socketMode: '0666',
        listenHost: '::',
        healthPort: 18081,
        metricsPort: 19090,
        shutdownDelaySeconds: 0,
        shutdownTimeoutSeconds: 10,
      },
      dataDir: '/srv/gpubroker/data',
      logging: { level: 'debug', format: 'text' },
      securityContext: { runAsUser: 1000, runAsGroup: 2000 },
    },
  },
  named: {
    values: {
      fullnameOverride: 'gpus',
      image: { repository: 'registry.example/gpus', digest: `sha256:${'0123456789abcdef'.repeat(4)}` },
      imagePullSecrets: [{ name: 'pull' }],
      serviceAccount: { name: 'gpu-agent', annotations: { team: 'gpus' } },
      rbac: { securityContextConstraints: 'privileged' },
      networkPolicy: { enabled: true },
      podAnnotations: { 'example.com/seen': 'yes' },
      podLabels: { team: 'gpus' },
      updateStrategy: { type: 'OnDelete', rollingUpdate: null },
    },
  },
} as const satisfies Record<string, Case>;

export const allCases: (readonly [string, Case])[] = Object.entries(cases);
