// Before all tests: the seed of the property tests, printed so that a failure can be replayed with FC_SEED.
export function setup(): void {
  process.env.FC_SEED ??= String(Date.now() % 0x7fffffff);
  process.stdout.write(`property tests: seed ${process.env.FC_SEED} (replay with FC_SEED=${process.env.FC_SEED})\n`);
}
