// A supervisor over a real probe process that reads AMD's cards in a host tree.
import { createHostTree, type HostTree } from '../../../fixtures/host/host-tree.ts';
import { until, type WatchedSource, watch } from '../watched-source.ts';

/** Starts it on a tree into which `add` has put cards. */
export function watchAmd(add: (tree: HostTree) => void): WatchedSource & { readonly tree: HostTree } {
  const tree = createHostTree();
  tree.write('etc/machine-id', '0123456789abcdef0123456789abcdef\n');
  add(tree);
  return { ...watch({ source: { name: 'amd', hostRoot: tree.root, nodeName: 'node-1' } }), tree };
}

/** The same, when all cards are known and have been read out once. */
export async function watchReadAmd(add: (tree: HostTree) => void, cards = 1): Promise<ReturnType<typeof watchAmd>> {
  const watched = watchAmd(add);
  await until(() => watched.supervisor.views().devices.filter(({ readings }) => readings).length === cards);
  return watched;
}
