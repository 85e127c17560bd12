// The thread that judges what GPUs have opened: it keeps the secret vectors of the epochs, and the broker's event loop free
// of their arithmetic. Questions are answered one after the other.
import { randomBytes, randomFillSync } from 'node:crypto';
import { parentPort } from 'node:worker_threads';
import { Epochs } from './epochs.ts';
import { type Answer, judgePage, type Question } from './judging.ts';

const port = parentPort;
if (!port) throw new Error('the verifier is a thread of the broker');
const epochs = new Epochs({ clock: () => performance.now(), randomBytes, random: randomWords() });
port.on('message', (question: Question) => port.postMessage(answer(question)));

function answer(question: Question): Answer {
  const { id } = question;
  if ('size' in question) return { id, seed: epochs.seed(question.size) };
  const { challenge } = question.page;
  const check = epochs.check(challenge.size, challenge.epochSeed);
  if (!check) return { id, failed: 'the epoch of the challenge is over, or its verifier has ended' };
  const began = performance.now();
  const verdict = judgePage(question.page, check);
  return { id, verdict, seconds: (performance.now() - began) / 1000 };
}

/** Uniform 32-bit numbers, many at a time. */
function randomWords(): () => number {
  const words = new Uint32Array(1_024);
  let used = words.length;
  return () => {
    if (used === words.length) {
      randomFillSync(words);
      used = 0;
    }
    return words[used++] as number;
  };
}
