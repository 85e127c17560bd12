// The flags of `gpubroker gpus search`: the filters of GET /gpus, as a table of their own because loading the schemas
// takes longer than most commands. A test compares them.

interface FilterFlag {
  readonly description?: string;
  readonly choices?: readonly string[];
  /** Takes yes or no; yes where it stands alone. */
  readonly isSwitch?: boolean;
  readonly isNumber?: boolean;
}

/** By the name of the filter in the API. */
export const gpuFilterFlags: Readonly<Record<string, FilterFlag>> = {
  provider_id: {},
  cluster_id: {},
  node_id: {},
  region: {},
  vendor: {},
  model: { description: 'The exact name that the driver gives.' },
  q: { description: 'A part of the model’s name, in any case.' },
  product: { description: 'The id of a product, or an alias.' },
  form_factor: {},
  interconnect: {},
  architecture: {},
  memory_gb_min: { description: 'GiB.', isNumber: true },
  memory_gb_max: { description: 'GiB.', isNumber: true },
  compute_capability_min: {},
  driver_version: {},
  cuda_version: {},
  vbios_version: {},
  health: { choices: ['healthy', 'unhealthy', 'unknown'] },
  status: { choices: ['available', 'allocated', 'maintenance'] },
  node_status: { choices: ['healthy', 'degraded', 'offline'] },
  label_min: {
    description: 'This label or a better one.',
    choices: ['simulated', 'self-reported', 'measured', 'challenge-verified'],
  },
  score_min: { isNumber: true },
  serial: {},
  uuid: {},
  ecc: { isSwitch: true },
  mig: { isSwitch: true },
  parent: { description: 'The name of the GPU of which it is an instance.' },
  numa_node: { isNumber: true },
  recommended_action: {},
  condition: { description: 'A condition and its status.' },
  attributes: { description: 'JSON that the attributes contain.' },
  include_removed: { isSwitch: true },
};

export const gpuSortFields = ['id', 'model', 'memory_gb', 'score', 'changed_at', 'region', 'product'];
