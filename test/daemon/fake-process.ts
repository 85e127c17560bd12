// A process played by the test: signals are emitted, and exits are noted instead of ending anything.
import { EventEmitter } from 'node:events';

export class FakeProcess extends EventEmitter {
  readonly exits: number[] = [];

  exit(code: number): void {
    this.exits.push(code);
  }
}
