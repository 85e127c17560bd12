// The commands that talk to a broker: names, arguments, help. What each does is in the file of its name, loaded when
// it runs.
import type { Command } from 'commander';
import { addAccessCommands } from './access-commands.ts';
import { addAccountCommands } from './account-commands.ts';
import { addGpuCommands } from './gpu-commands.ts';
import { addMarketCommands } from './market-commands.ts';
import { addOperationCommands } from './operation-commands.ts';
import { addSupplyCommands } from './supply-commands.ts';
import { addVerificationCommands } from './verification-commands.ts';
import { addWalletCommands } from './wallet-commands.ts';

/** Adds every command of the broker to the tree; `gpus` is the group that the node's commands are in already. */
export function addBrokerCommands(program: Command, gpus: Command, done: (exitCode: number) => void): void {
  addAccessCommands(program);
  addAccountCommands(program);
  addSupplyCommands(program);
  addGpuCommands(program, gpus);
  addVerificationCommands(program, done);
  addMarketCommands(program);
  addWalletCommands(program);
  addOperationCommands(program, done);
}
