// What the pods may do and see of the node, in each mode.
import { expect, test } from 'vitest';
import type { Values } from '../fixtures/helm.ts';
import { objects } from '../fixtures/helm.ts';
import { allCases, cases } from './cases.ts';
import { containerOf, podOf } from './pod.ts';

/** What the agent sees of the node: path on the node → path in the container, and whether it may write there. */
function mountsOf(values: Values): Record<string, string> {
  const pod = podOf(values);
  const paths = new Map(pod.volumes?.map(({ name, hostPath }) => [name, hostPath?.path]));
  const mounts = containerOf(pod, 'agent').volumeMounts ?? [];
  return Object.fromEntries(
    mounts.flatMap(({ name, mountPath, readOnly }) => {
      const path = paths.get(name);
      return path === undefined ? [] : [[path, `${mountPath} ${readOnly ? 'ro' : 'rw'}`]];
    }),
  );
}

const always = {
  '/var/run/device-api': '/var/run/device-api rw',
  '/var/lib/gpubroker': '/var/lib/gpubroker rw',
  '/sys': '/host/sys ro',
  '/proc/driver': '/host/proc/driver ro',
  '/etc/machine-id': '/host/etc/machine-id ro',
};

test.each<[string, Values, Record<string, string>]>([
  ['by default', {}, {}],
  ['privileged', { deviceAccess: 'privileged' }, { '/run/nvidia/driver': '/host-driver ro' }],
  ['with the kernel log', cases.privileged.values, { '/': '/host-driver ro', '/dev/kmsg': '/host/dev/kmsg ro' }],
  [
    'with the kubelet’s allocations',
    { podResources: { enabled: true } },
    { '/var/lib/kubelet/pod-resources': '/var/lib/kubelet/pod-resources ro' },
  ],
])('%s the agent sees of the node what it needs, and writes only to its two folders', (_when, values, more) => {
  expect(mountsOf(values)).toEqual({ ...always, ...more });
});

test('by default the agent is an ordinary user without capabilities', () => {
  const pod = podOf({});
  expect(pod.securityContext).toMatchObject({ seccompProfile: { type: 'RuntimeDefault' } });
  expect(containerOf(pod, 'agent').securityContext).toEqual({
    runAsUser: 65_532,
    runAsGroup: 65_532,
    runAsNonRoot: true,
    readOnlyRootFilesystem: true,
    allowPrivilegeEscalation: false,
    capabilities: { drop: ['ALL'] },
  });
});

test('for the kubelet’s socket it is root, still without capabilities', () => {
  expect(containerOf(podOf({ podResources: { enabled: true } }), 'agent').securityContext).toEqual({
    runAsUser: 0,
    runAsGroup: 65_532,
    runAsNonRoot: false,
    readOnlyRootFilesystem: true,
    allowPrivilegeEscalation: false,
    capabilities: { drop: ['ALL'] },
  });
});

test('the device plugin is root for the kubelet’s folder, without capabilities, and writes only there', () => {
  const pod = podOf(cases['device-plugin'].values);
  const { securityContext, volumeMounts = [] } = containerOf(pod, 'device-plugin');
  expect(securityContext).toEqual({
    runAsUser: 0,
    runAsGroup: 65_532,
    runAsNonRoot: false,
    readOnlyRootFilesystem: true,
    allowPrivilegeEscalation: false,
    capabilities: { drop: ['ALL'] },
  });
  const writable = volumeMounts.filter(({ readOnly }) => !readOnly).map(({ mountPath }) => mountPath);
  expect(writable).toEqual(['/var/lib/kubelet/device-plugins']);
  expect(containerOf(pod, 'agent').securityContext).toMatchObject({ runAsNonRoot: true });
  expect(podOf({}).containers.map(({ name }) => name)).toEqual(['agent']);
});

test('only deviceAccess privileged makes it privileged', () => {
  const privileged = allCases.filter(
    ([, { values }]) => containerOf(podOf(values), 'agent').securityContext?.privileged === true,
  );
  expect(privileged.map(([name]) => name)).toEqual(['mixed', 'privileged']);
});

test.each(allCases)(
  '%s: no namespace of the host, no token, no writable root, no more than three capabilities',
  (_name, { values }) => {
    const pod = podOf(values);
    expect(pod).not.toMatchObject({ hostNetwork: true });
    expect(pod).not.toMatchObject({ hostPID: true });
    expect(pod).not.toMatchObject({ hostIPC: true });
    expect(pod.automountServiceAccountToken).toBe(false);
    for (const { name, securityContext } of [...(pod.initContainers ?? []), ...pod.containers]) {
      expect(securityContext?.readOnlyRootFilesystem, name).toBe(true);
      const added = securityContext?.capabilities?.add ?? [];
      expect(added, name).toEqual(name === 'folders' ? ['CHOWN', 'DAC_READ_SEARCH', 'FOWNER'] : []);
    }
  },
);

test.each(allCases)('%s: secrets are named, and mounted for the agent’s group alone', (_name, { values }) => {
  const made = objects(values);
  expect(made.filter(({ kind }) => kind === 'Secret')).toEqual([]);
  const secrets = podOf(values).volumes?.flatMap(({ secret }) => secret ?? []) ?? [];
  expect(secrets.filter(({ defaultMode }) => defaultMode !== 0o440)).toEqual([]);
});

test('the token may be deleted once the nodes have joined; what else is named must be there', () => {
  const secrets = podOf(cases.broker.values).volumes?.flatMap(({ secret }) => secret ?? []);
  expect(secrets?.map(({ secretName, optional = false }) => [secretName, optional])).toEqual([
    ['gpubroker-ca', false],
    ['gpubroker-token', true],
    ['gpubroker-client', false],
  ]);
});

test('NVIDIA’s runtime is asked for its library where it is to give it', () => {
  const asked = allCases.filter(([, { values }]) =>
    containerOf(podOf(values), 'agent').env?.some(({ name }) => name === 'NVIDIA_VISIBLE_DEVICES'),
  );
  const others = ['amd', 'mixed', 'privileged', 'device-plugin'];
  expect(asked.map(([name]) => name)).toEqual(allCases.map(([name]) => name).filter((name) => !others.includes(name)));
});

test('the group of the socket is one that the agent belongs to', () => {
  expect(podOf({}).securityContext?.supplementalGroups).toBeUndefined();
  expect(podOf(cases.served.values).securityContext?.supplementalGroups).toEqual([4242]);
});

test('rights in the cluster are given only for OpenShift’s constraints, and only to use those', () => {
  const rolesOf = (values: Values) => objects(values).filter(({ kind }) => /Role/.test(kind));
  expect(allCases.flatMap(([name, { values }]) => (rolesOf(values).length > 0 ? [name] : []))).toEqual(['named']);
  expect(rolesOf(cases.named.values)).toEqual([
    expect.objectContaining({
      rules: [
        {
          apiGroups: ['security.openshift.io'],
          resources: ['securitycontextconstraints'],
          resourceNames: ['privileged'],
          verbs: ['use'],
        },
      ],
    }),
    expect.objectContaining({
      subjects: [{ kind: 'ServiceAccount', name: 'gpu-agent', namespace: 'gpubrokernamespace' }],
    }),
  ]);
});
