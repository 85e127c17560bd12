// From prices to levels: a trie of five bits a step, only as high as the prices of a lane differ. It says too which sizes
// lie below a node, so that a search for a size passes over the rest.
import type { Levels } from './levels.ts';

const digit = 5;
const fan = 1 << digit;
const firstCapacity = 16;

/** Where the trie of a lane begins. */
export interface TrieRoot {
  /** -1 while the lane is empty. */
  root: number;
  /** Of the key's bits that the root tells apart. */
  shift: number;
  /** The bits above, which all keys of the lane have in common. */
  prefix: number;
}

/** The tries of all lanes of a book. Keys are whole numbers below 2^27, in the order in which levels are served. */
export class PriceTrie {
  private readonly levels: Levels;
  private bits = new Int32Array(firstCapacity);
  /** At least the sizes below the node; a search that finds none takes its bits out. */
  private sizes = new Int32Array(firstCapacity);
  /** Nodes, or levels at the lowest step; -1 where there is none. */
  private children = new Int32Array(firstCapacity * fan);
  private used = 0;
  private readonly free: number[] = [];
  private readonly path = new Int32Array(8);

  constructor(levels: Levels) {
    this.levels = levels;
  }

  get bytes(): number {
    return this.bits.byteLength + this.sizes.byteLength + this.children.byteLength;
  }

  /** The level of a key, or -1. */
  find(at: TrieRoot, key: number): number {
    if (at.root < 0 || key >> (at.shift + digit) !== at.prefix) return -1;
    const { children } = this;
    let node = at.root;
    for (let shift = at.shift; shift >= 0; shift -= digit) {
      node = children[(node << digit) | ((key >> shift) & (fan - 1))] as number;
      if (node < 0) return -1;
    }
    return node;
  }

  /** Puts in a level that is not there yet. */
  add(at: TrieRoot, key: number, level: number): void {
    if (at.root < 0) {
      at.root = this.allocate();
      at.shift = 0;
      at.prefix = key >> digit;
    }
    while (key >> (at.shift + digit) !== at.prefix) this.raise(at);
    let node = at.root;
    for (let shift = at.shift; shift > 0; shift -= digit) node = this.child(node, (key >> shift) & (fan - 1));
    this.set(node, key & (fan - 1), level);
  }

  /** Says that a level has sizes. */
  mark(at: TrieRoot, key: number, sizes: number): void {
    let node = at.root;
    for (let shift = at.shift; shift >= 0; shift -= digit) {
      this.sizes[node] = (this.sizes[node] as number) | sizes;
      node = this.children[(node << digit) | ((key >> shift) & (fan - 1))] as number;
    }
  }

  /** Takes a level out. */
  remove(at: TrieRoot, key: number): void {
    const { path } = this;
    let depth = 0;
    let node = at.root;
    for (let shift = at.shift; shift > 0; shift -= digit) {
      path[depth++] = node;
      node = this.children[(node << digit) | ((key >> shift) & (fan - 1))] as number;
    }
    path[depth] = node;
    for (let shift = 0; depth >= 0; shift += digit, depth--) {
      const from = path[depth] as number;
      const place = (key >> shift) & (fan - 1);
      this.children[(from << digit) | place] = -1;
      this.bits[from] = (this.bits[from] as number) & ~(1 << place);
      if (this.bits[from] !== 0) return;
      this.free.push(from);
    }
    at.root = -1;
  }

  /** The first level whose key is at least `from` and that may have one of the sizes; -1 for none. */
  next(at: TrieRoot, from: number, sizes: number): number {
    if (at.root < 0) return -1;
    const above = from >> (at.shift + digit);
    if (above > at.prefix) return -1;
    return this.seek(at.root, at.shift, above < at.prefix ? 0 : from, sizes);
  }

  private seek(node: number, shift: number, from: number, sizes: number): number {
    const first = (from >> shift) & (fan - 1);
    let bits = (this.bits[node] as number) & (-1 << first);
    while (bits !== 0) {
      const place = 31 - Math.clz32(bits & -bits);
      bits &= bits - 1;
      const child = this.children[(node << digit) | place] as number;
      if (shift === 0) {
        if (((this.levels.sizes[child] as number) & sizes) !== 0) return child;
        continue;
      }
      if (((this.sizes[child] as number) & sizes) === 0) continue;
      const whole = place !== first || (from & ((1 << shift) - 1)) === 0;
      const found = this.seek(child, shift - digit, place === first ? from : 0, sizes);
      if (found >= 0) return found;
      if (whole) this.sizes[child] = (this.sizes[child] as number) & ~sizes;
    }
    return -1;
  }

  /** One more step above the root. */
  private raise(at: TrieRoot): void {
    const node = this.allocate();
    this.sizes[node] = this.sizes[at.root] as number;
    this.set(node, at.prefix & (fan - 1), at.root);
    at.root = node;
    at.shift += digit;
    at.prefix >>= digit;
  }

  private child(node: number, place: number): number {
    const child = this.children[(node << digit) | place] as number;
    if (child >= 0) return child;
    const made = this.allocate();
    this.set(node, place, made);
    return made;
  }

  private set(node: number, place: number, child: number): void {
    this.children[(node << digit) | place] = child;
    this.bits[node] = (this.bits[node] as number) | (1 << place);
  }

  private allocate(): number {
    const freed = this.free.pop();
    const node = freed ?? this.used++;
    if (node === this.bits.length) this.grow();
    this.bits[node] = 0;
    this.sizes[node] = 0;
    if (freed === undefined) this.children.fill(-1, node * fan, (node + 1) * fan);
    return node;
  }

  private grow(): void {
    const capacity = Math.ceil(this.bits.length * 1.5);
    const bits = new Int32Array(capacity);
    const sizes = new Int32Array(capacity);
    const children = new Int32Array(capacity * fan);
    bits.set(this.bits);
    sizes.set(this.sizes);
    children.set(this.children);
    this.bits = bits;
    this.sizes = sizes;
    this.children = children;
  }
}
