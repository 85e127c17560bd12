// Why the telemetry store writes PostgreSQL's binary COPY format: the same rows as text, in the same run.
//
//   node bench/broker/copy-formats.ts
import { finished } from 'node:stream/promises';
import { from as copyFrom } from 'pg-copy-streams';
import { newId } from '../../src/broker/ids.ts';
import { openDatabase } from '../../src/broker/storage/database.ts';
import { migrate } from '../../src/broker/storage/migrator.ts';
import { CopyRows, copyStatement } from '../../src/broker/telemetry/copy-rows.ts';
import { createPartitionsAhead } from '../../src/broker/telemetry/retention.ts';
import type { Sample } from '../../src/wire/gpubroker/node/v1/node_link.ts';
import { startTestPostgres } from '../../test/fixtures/postgres.ts';
import { cpuTime, processTree } from '../device-api/processes.ts';
import { sample } from '../device-api/statistics.ts';

const rows = 8_192;
const gpus = 8;
const runs = 8;

const nodeId = newId();
const samples: Sample[] = Array.from({ length: gpus }, (_, place) => ({
  gpu: `gpu-${nodeId.slice(0, -1)}${place}`,
  utilizationPercent: 90 + place,
  memoryUtilizationPercent: 40 + place,
  memoryUsedBytes: 70_000_000_000n + BigInt(place),
  temperatureCelsius: 60 + place,
  powerMilliwatts: 650_000 + place,
  smMhz: 1_980,
  memoryMhz: 2_619,
}));

function textRows(): Buffer {
  const array = (of: (sample: Sample) => unknown) => `{${samples.map((one) => of(one) ?? 'NULL').join(',')}}`;
  let text = '';
  for (let row = 0; row < rows; row++) {
    text += `${nodeId}\t${new Date(start + row).toISOString()}\t${[
      array(({ gpu }) => gpu),
      array(({ utilizationPercent }) => utilizationPercent),
      array(({ memoryUtilizationPercent }) => memoryUtilizationPercent),
      array(({ memoryUsedBytes }) => memoryUsedBytes),
      array(({ temperatureCelsius }) => temperatureCelsius),
      array(({ powerMilliwatts }) => powerMilliwatts),
      array(({ smMhz }) => smMhz),
      array(({ memoryMhz }) => memoryMhz),
    ].join('\t')}\n`;
  }
  return Buffer.from(text);
}

const copyRows = new CopyRows();
function binaryRows(): Buffer {
  copyRows.clear();
  for (let row = 0; row < rows; row++) copyRows.add(nodeId, start + row, samples);
  return copyRows.finish();
}

const start = Date.now();
const server = await startTestPostgres({ shared_buffers: "'256MB'" });
const database = openDatabase({ url: server.url });
try {
  await migrate(database.db);
  await createPartitionsAhead(database.pool, start);
  const formats = {
    binary: { statement: copyStatement, encode: binaryRows },
    text: { statement: copyStatement.replace(' (format binary)', ''), encode: textRows },
  };
  const client = await database.pool.connect();
  const postgres = () => cpuTime(processTree(server.pid));
  const figures = {
    binary: { broker: [] as number[], postgres: [] as number[] },
    text: { broker: [] as number[], postgres: [] as number[] },
  };
  for (let run = 0; run <= runs; run++) {
    for (const name of ['binary', 'text'] as const) {
      const { statement, encode } = formats[name];
      await client.query('truncate telemetry');
      const before = { cpu: process.cpuUsage(), postgres: postgres() };
      const stream = client.query(copyFrom(statement));
      stream.end(encode());
      await finished(stream);
      const { user, system } = process.cpuUsage(before.cpu);
      // The first run warms up.
      if (run === 0) continue;
      figures[name].broker.push((user + system) / rows);
      figures[name].postgres.push((postgres() - before.postgres) / rows);
    }
  }
  client.release();
  for (const [name, { broker, postgres }] of Object.entries(figures)) {
    const [ours, theirs] = [sample(broker), sample(postgres)];
    process.stdout.write(
      `${name}: CPU a row of ${gpus} GPUs: broker ${ours.median.toFixed(1)} µs (${ours.min.toFixed(1)}–${ours.max.toFixed(1)}), ` +
        `PostgreSQL ${theirs.median.toFixed(1)} µs (${theirs.min.toFixed(1)}–${theirs.max.toFixed(1)})\n`,
    );
  }
} finally {
  await database.close();
  await server.remove();
}
