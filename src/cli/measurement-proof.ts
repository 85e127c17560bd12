// `gpubroker proof self-test`: does the work of a challenge on a device of this machine, and judges it.
import { randomBytes } from 'node:crypto';
import { ComputeError } from '../agent/verification/compute.ts';
import { startMeasuring } from '../agent/verification/measuring.ts';
import { type Challenge, checkChallenge, limits, type Place } from '../proof/challenge.ts';
import { EpochCheck } from '../proof/epoch-check.ts';
import { drawPlaces } from '../proof/places.ts';
import { type Opening, verify } from '../proof/verify.ts';
import { measurementFailed, wrongUsage } from './errors.ts';
import { coded } from './measurement-device.ts';
import { print, printJson } from './output.ts';

export interface SelfTestOptions {
  readonly device: number;
  readonly size: number;
  readonly rounds: number;
  readonly rows: number;
  readonly json?: boolean;
}

/** What everything together may take, in milliseconds. */
const deadline = 600_000;

/** Does the work of a challenge, and judges it. @throws CodedError, also where the proof is refused */
export async function selfTest(options: SelfTestOptions): Promise<void> {
  const { device, size, rounds, rows, json } = options;
  const challenge = newChallenge(size, rounds);
  if (rows < limits.places.least || rows > limits.places.most) {
    throw wrongUsage(`--rows: ${rows} is not allowed; ${limits.places.least} to ${limits.places.most} are`);
  }
  const { root, places, openings, deviceMs } = await coded(prove(challenge, device, rows));
  const prepared = performance.now();
  const check = EpochCheck.make(challenge.epochSeed, size, random);
  const started = performance.now();
  const verdict = verify({ challenge, root, places, openings }, check);
  const verifyMs = performance.now() - started;
  const bytes = openings.reduce((sum, { product, before }) => sum + bytesOf(product) + bytesOf(before), 0);
  const figures = { size, rounds, rows, deviceMs, verifyMs, epochMs: started - prepared, bytes };
  if (json) printJson({ ...figures, ...verdict });
  else {
    print(
      `The device worked for ${deviceMs.toFixed(1)} ms: ${rounds} products of ${size} × ${size}.\n` +
        `The verdict took ${verifyMs.toFixed(1)} ms, for ${rows} rows in ${(bytes / 2 ** 20).toFixed(2)} MiB; ` +
        `what is prepared once an epoch, ${figures.epochMs.toFixed(1)} ms.\n${verdict.accepted ? 'Accepted.' : 'Refused.'}`,
    );
  }
  if (!verdict.accepted) throw measurementFailed(`the proof was refused: ${verdict.message}`);
}

async function prove(challenge: Challenge, device: number, rows: number) {
  const measuring = startMeasuring({ kind: 'prove', device, work: challenge }, deadline);
  let began = 0;
  let deviceMs = 0;
  let root: Uint8Array = new Uint8Array();
  let places: readonly Place[] = [];
  for await (const report of measuring) {
    if (report.kind === 'ready') {
      began = performance.now();
      measuring.say({ kind: 'begin', start: challenge });
    } else if (report.kind === 'committed') {
      deviceMs = performance.now() - began;
      ({ root } = report);
      // Only now: who knew them before would do their rows alone.
      places = drawPlaces(challenge, rows, random);
      measuring.say({ kind: 'open', places });
    } else if (report.kind === 'opened') measuring.say({ kind: 'rows', first: 0, count: rows });
    else if (report.kind === 'openings') return { root, places, openings: report.openings, deviceMs };
  }
  throw new ComputeError('failed', 'the measuring process ended before it had opened the rows');
}

function newChallenge(size: number, rounds: number): Challenge {
  const seeds = { epochSeed: randomBytes(32), seed: randomBytes(32) };
  const challenge = { id: randomBytes(16).toString('hex'), gpu: 'self-test', ...seeds, size, rounds };
  try {
    checkChallenge(challenge);
  } catch (error) {
    throw wrongUsage(`--${(error as RangeError).message}`);
  }
  return challenge;
}

function bytesOf(opened: Opening['before']): number {
  return opened ? opened.row.byteLength + opened.path.length * 32 : 0;
}

function random(): number {
  return randomBytes(4).readUInt32LE();
}
