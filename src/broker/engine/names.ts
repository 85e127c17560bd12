// Numbers in place of ids that come again and again: accounts, nodes, clusters, regions, users.

/** Numbers names from 1 on; 0 is for none. A name keeps its number, and what the engine does never depends on it. */
export class Names {
  private readonly numbers = new Map<string, number>();
  private readonly names: string[] = [''];

  /** The number of a name, a new one where it has none. */
  numberOf(name: string): number {
    let number = this.numbers.get(name);
    if (number === undefined) {
      number = this.names.push(name) - 1;
      this.numbers.set(name, number);
    }
    return number;
  }

  /** The number of a name that has one; 0 otherwise. */
  find(name: string): number {
    return this.numbers.get(name) ?? 0;
  }

  nameOf(number: number): string {
    return this.names[number] as string;
  }
}
