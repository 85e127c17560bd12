// The columns of open orders that the book does not look at, by the places of its rows.

/** The arrays are replaced when they grow: do not keep one. */
export class OrderDetails {
  quantities = new Int32Array(0);
  filled = new Int32Array(0);
  /** Of an ask the number of its offer, of a bid that of its product. */
  homes = new Int32Array(0);
  users = new Int32Array(0);
  /** Of an ask. */
  nodes = new Int32Array(0);
  flags = new Uint8Array(0);
  forces = new Uint8Array(0);
  leastLabels = new Uint8Array(0);
  endings = new Uint8Array(0);
  expiries = new Float64Array(0);
  created = new Float64Array(0);
  updated = new Float64Array(0);

  /** Makes room for so many rows. */
  reach(length: number): void {
    if (length <= this.quantities.length) return;
    this.quantities = copied(this.quantities, new Int32Array(length));
    this.filled = copied(this.filled, new Int32Array(length));
    this.homes = copied(this.homes, new Int32Array(length));
    this.users = copied(this.users, new Int32Array(length));
    this.nodes = copied(this.nodes, new Int32Array(length));
    this.flags = copied(this.flags, new Uint8Array(length));
    this.forces = copied(this.forces, new Uint8Array(length));
    this.leastLabels = copied(this.leastLabels, new Uint8Array(length));
    this.endings = copied(this.endings, new Uint8Array(length));
    this.expiries = copied(this.expiries, new Float64Array(length));
    this.created = copied(this.created, new Float64Array(length));
    this.updated = copied(this.updated, new Float64Array(length));
  }
}

function copied<T extends Uint8Array | Int32Array | Float64Array>(from: T, to: T): T {
  to.set(from);
  return to;
}
