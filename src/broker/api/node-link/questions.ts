// What a node was asked and has not answered yet. Every question has a deadline, and ends with its stream.
import { Refusal } from '../../refusal.ts';

/** A timer of Node.js with more milliseconds fires at once. */
const longestTimer = 2 ** 31 - 1;

interface Question<Answer> {
  readonly answer: (value: Answer) => void;
  readonly fail: (why: Refusal) => void;
  readonly timer: NodeJS.Timeout;
}

export class Questions<Answer> {
  readonly #most: number;
  readonly #open = new Map<string, Question<Answer>>();

  constructor(most: number) {
    this.#most = most;
  }

  /**
   * Waits for the answer to a question that `send` puts.
   *
   * @param wait milliseconds
   * @throws Refusal `GPUB_NODE_BUSY`, `GPUB_NODE_SILENT`, or why the stream ended
   */
  async ask(id: string, wait: number, send: () => void): Promise<Answer> {
    if (this.#open.size >= this.#most)
      throw new Refusal('too-many', 'GPUB_NODE_BUSY', `the node has ${this.#most} questions to answer already`);
    return new Promise<Answer>((resolve, reject) => {
      const timer = setTimeout(
        () => this.#take(id)?.fail(new Refusal('unavailable', 'GPUB_NODE_SILENT', 'the node did not answer in time')),
        Math.min(Math.max(0, wait), longestTimer),
      );
      this.#open.set(id, { answer: resolve, fail: reject, timer });
      send();
    });
  }

  /** False for what was not asked, or is too late. */
  answer(id: string, value: Answer): boolean {
    const question = this.#take(id);
    question?.answer(value);
    return question !== undefined;
  }

  failAll(why: Refusal): void {
    for (const id of [...this.#open.keys()]) this.#take(id)?.fail(why);
  }

  #take(id: string): Question<Answer> | undefined {
    const question = this.#open.get(id);
    if (!question) return undefined;
    this.#open.delete(id);
    clearTimeout(question.timer);
    return question;
  }
}
