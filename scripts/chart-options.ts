// Writes into the schema of the chart's values which options `config` takes: all but those that other values set.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { devicePluginOptions } from '../src/daemon/device-plugin-options.ts';
import { agentOptions } from '../src/daemon/node-options.ts';

const chart = join(import.meta.dirname, '..', 'charts', 'gpubroker-node');
const schemaPath = join(chart, 'values.schema.json');

/** The options that a template of the chart sets, by its lines that begin with a name. */
function setBy(template: string): string[] {
  const [, body = ''] = readFileSync(join(chart, 'templates', '_helpers.tpl'), 'utf8').split(`define "${template}"`);
  const lines = body.split('{{- define')[0] ?? '';
  return [...lines.matchAll(/^([a-z][a-z-]+):/gm)].map(([, name = '']) => name);
}

const schema = JSON.parse(readFileSync(schemaPath, 'utf8'));

/** Lets `config` be given what the table has and the template does not set. */
function allow(config: { properties: object }, table: object, template: string): void {
  const own = [...setBy(template), 'config', 'node-name'];
  const others = Object.keys(table).filter((name) => !own.includes(name));
  config.properties = Object.fromEntries(others.map((name) => [name, { $ref: '#/definitions/option' }]));
}

const { config, devicePlugin } = schema.properties;
allow(config, agentOptions.table, 'gpubroker-node.ownOptions');
allow(devicePlugin.properties.config, devicePluginOptions.table, 'gpubroker-node.pluginOptions');
writeFileSync(schemaPath, `${JSON.stringify(schema, null, 2)}\n`);
execFileSync('biome', ['format', '--write', schemaPath], { stdio: 'ignore' });
