// The commands for GPUs of all nodes: search, maintenance, pools, products, what they were, and what was measured.
import { Argument, type Command, Option } from 'commander';
import type { PoolQuery } from '../../api/pools.ts';
import type { NewMapping } from '../../api/products.ts';
import type { TelemetryQuery } from '../../api/telemetry.ts';
import { command, countOf, given, listed, textOf, timeOf } from './command.ts';
import { addFilters, addOrder, filtersOf } from './gpus-search.ts';
import { brokerGroup } from './run.ts';

/** Adds them; `gpus` is the group that the node's commands are in already. */
export function addGpuCommands(program: Command, gpus: Command): void {
  addSearch(gpus);
  addRecord(gpus);
  addPools(program);
  addProducts(program);
  addInventory(program);
  addTelemetry(program);
}

function addSearch(gpus: Command): void {
  const search = listed(
    gpus,
    'search',
    'search the GPUs of all nodes that are joined to the broker',
    'gpubroker gpus search --product H100-SXM5-80GB --health healthy --sort score --order desc',
    async (client, json, flags) =>
      (await import('./gpus-search.ts')).searchGpus(client, json, filtersOf(flags), flags.limit),
  );
  addOrder(addFilters(search));
}

function addRecord(gpus: Command): void {
  const file = () => import('./gpu-record.ts');
  command(
    gpus,
    'show <id>',
    'show one with its conditions, as the broker knows it',
    'gpubroker gpus show 0198…',
    async (client, json, _flags, id = '') => (await file()).showGpu(client, json, id),
  );
  command(
    gpus,
    'maintenance',
    'keep one off the market, or give it back',
    'gpubroker gpus maintenance 0198… on --reason "fan replaced"',
    async (client, json, flags, id = '', state = '') => {
      const reason = textOf(flags.reason);
      const maintenance = { enabled: state === 'on', ...(reason === undefined ? {} : { reason }) };
      await (await file()).setMaintenance(client, json, id, maintenance);
    },
  )
    .argument('<id>')
    .addArgument(new Argument('<state>').choices(['on', 'off']))
    .option('--reason <text>', 'why');
}

function addPools(program: Command): void {
  const group = brokerGroup(program, 'pools', 'GPUs of a provider under one name', 'gpubroker pools list');
  const file = () => import('./pools.ts');
  listed(group, 'list', 'show a line for each pool', 'gpubroker pools list', async (client, json, flags) =>
    (await file()).listPools(client, json, given<PoolQuery>({ provider_id: textOf(flags.provider) }), flags.limit),
  ).option('--provider <id>', 'of this provider alone');
  command(group, 'get <id>', 'show one', 'gpubroker pools get 0198…', async (client, json, _flags, id = '') =>
    (await file()).showPool(client, json, id),
  );
  const create = command(
    group,
    'create <name>',
    'make one: with filters of GPUs it has whatever they find, else what is added to it',
    'gpubroker pools create hoppers --provider 0198… --product H100-SXM5-80GB --health healthy',
    async (client, json, flags, name = '') =>
      (await file()).createPool(client, json, { name, provider: String(flags.provider), selector: filtersOf(flags) }),
  ).requiredOption('--provider <id>', 'whose it is');
  addFilters(create);
  command(
    group,
    'delete <id>',
    'remove it; its GPUs stay',
    'gpubroker pools delete 0198…',
    async (client, json, _flags, id = '') => (await file()).deletePool(client, json, id),
  );
  addMembers(group);
}

function addMembers(group: Command): void {
  const file = () => import('./pools.ts');
  listed(
    group,
    'gpus <id>',
    'show a line for each GPU that is in it now',
    'gpubroker pools gpus 0198…',
    async (client, json, flags, id = '') => (await file()).listPoolGpus(client, json, id, flags.limit),
  );
  for (const what of ['add', 'remove'] as const) {
    command(
      group,
      `${what} <id> <gpus...>`,
      what === 'add' ? 'put GPUs into it' : 'take GPUs out of it',
      `gpubroker pools ${what} 0198… 0199… 019a…`,
      async (client, json, _flags, id = '', ...gpus) => (await file()).changeMembers(client, json, id, what, gpus),
    );
  }
}

function addProducts(program: Command): void {
  const group = brokerGroup(program, 'products', 'what GPUs are sold as', 'gpubroker products list');
  const file = () => import('./products.ts');
  command(group, 'list', 'show a line for each product', 'gpubroker products list', async (client, json) =>
    (await file()).listProducts(client, json),
  );
  command(
    group,
    'mappings',
    'show models that were mapped by hand (admins)',
    'gpubroker products mappings',
    async (client, json) => (await file()).listMappings(client, json),
  );
  const keyOf = (flags: Readonly<Record<string, unknown>>, model: string) => ({
    model,
    vendor: String(flags.vendor),
    memory_gb: Number(flags.memoryGb),
  });
  const mapping = command(
    group,
    'map <model>',
    'say what a model that the table does not know is sold as (admins)',
    'gpubroker products map "NVIDIA H800" --memory-gb 80 --product H800-SXM5-80GB --form-factor SXM5 --interconnect NVLink4',
    async (client, json, flags, model = '') => {
      const { product, formFactor, interconnect } = flags as Record<string, unknown>;
      const sold = { product: String(product), form_factor: String(formFactor), interconnect: String(interconnect) };
      const body: NewMapping = { ...keyOf(flags, model), ...sold };
      await (await file()).mapModel(client, json, body);
    },
  );
  addKey(mapping)
    .requiredOption('--product <id>', 'what it is sold as')
    .requiredOption('--form-factor <word>', 'for instance SXM5 or PCIe')
    .requiredOption('--interconnect <word>', 'for instance NVLink4 or PCIe5');
  const unmapping = command(
    group,
    'unmap <model>',
    'take a mapping back (admins)',
    'gpubroker products unmap "NVIDIA H800" --memory-gb 80',
    async (client, json, flags, model = '') => (await file()).unmapModel(client, json, keyOf(flags, model)),
  );
  addKey(unmapping);
}

/** What besides the model tells what a GPU is. */
function addKey(made: Command): Command {
  return made
    .addOption(new Option('--memory-gb <number>', 'GiB').argParser(countOf).makeOptionMandatory())
    .option('--vendor <vendor>', 'who makes it', 'nvidia');
}

function addInventory(program: Command): void {
  const example = 'gpubroker inventory snapshot --at 24h --summary';
  const group = brokerGroup(program, 'inventory', 'the GPUs of all nodes as a whole', example);
  listed(group, 'snapshot', 'show the GPUs as they were at some time', example, async (client, json, flags) => {
    const at = textOf(flags.at) ?? new Date().toISOString();
    const { showSnapshot } = await import('./inventory.ts');
    await showSnapshot(client, json, { at, summary: flags.summary === true, limit: flags.limit });
  })
    .addOption(new Option('--at <time>', 'when, or how long ago (default: now)').argParser(timeOf))
    .option('--summary', 'also show how many there were of each product and health');
}

function addTelemetry(program: Command): void {
  const read = listed(
    program,
    'telemetry <node>',
    'show what a node measured of its GPUs, in the last hour or in any time',
    'gpubroker telemetry 0198… --from 24h --resolution 1m',
    async (client, json, flags, node = '') => {
      const resolution = flags.resolution as TelemetryQuery['resolution'];
      const query = given<TelemetryQuery>({ from: textOf(flags.from), to: textOf(flags.to), resolution });
      await (await import('./telemetry.ts')).showTelemetry(client, json, node, query, flags.limit);
    },
  );
  read
    .addOption(new Option('--from <time>', 'since then, or so long ago').argParser(timeOf))
    .addOption(new Option('--to <time>', 'before then').argParser(timeOf))
    .addOption(
      new Option('--resolution <time>', 'one line for each').choices(['raw', '1m', '1h', 'auto']).default('auto'),
    );
}
