// What becomes due by itself, earliest first: a heap of numbers that also takes out what is due no more.

/** A heap of small whole numbers, such as slots; `before` says which of two is first, and must not change while they are in. */
export class Schedule {
  private readonly heap: number[] = [];
  /** Where each number stands in the heap, plus one; 0 for nowhere. */
  private places = new Int32Array(64);
  private readonly before: (one: number, other: number) => boolean;

  constructor(before: (one: number, other: number) => boolean) {
    this.before = before;
  }

  /** The earliest; undefined where there is none. */
  get first(): number | undefined {
    return this.heap[0];
  }

  has(number: number): boolean {
    return number < this.places.length && this.places[number] !== 0;
  }

  add(number: number): void {
    if (number >= this.places.length) {
      const longer = new Int32Array(Math.ceil((number + 1) * 1.5));
      longer.set(this.places);
      this.places = longer;
    }
    this.heap.push(number);
    this.rise(this.heap.length - 1);
  }

  /** Does nothing for a number that is not in. */
  remove(number: number): void {
    if (!this.has(number)) return;
    const at = (this.places[number] as number) - 1;
    this.places[number] = 0;
    const last = this.heap.pop() as number;
    if (last === number) return;
    this.put(last, at);
    this.rise(at);
    this.sink((this.places[last] as number) - 1);
  }

  private rise(from: number): void {
    const { heap } = this;
    const number = heap[from] as number;
    let at = from;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (!this.before(number, heap[above] as number)) break;
      this.put(heap[above] as number, at);
      at = above;
    }
    this.put(number, at);
  }

  private sink(from: number): void {
    const { heap } = this;
    const number = heap[from] as number;
    let at = from;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= heap.length) break;
      if (below + 1 < heap.length && this.before(heap[below + 1] as number, heap[below] as number)) below++;
      if (!this.before(heap[below] as number, number)) break;
      this.put(heap[below] as number, at);
      at = below;
    }
    this.put(number, at);
  }

  private put(number: number, at: number): void {
    this.heap[at] = number;
    this.places[number] = at + 1;
  }
}
