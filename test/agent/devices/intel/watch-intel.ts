// A supervisor over a real probe process that reads Intel's cards in a host tree.
import { createHostTree, type HostTree } from '../../../fixtures/host/host-tree.ts';
import { until, type WatchedSource, watch } from '../watched-source.ts';

/** Starts it on a tree into which `add` has put cards; without Level Zero unless a library is given. */
export function watchIntel(
  add: (tree: HostTree) => void,
  levelZeroLibrary = '/no/such/library.so',
): WatchedSource & { readonly tree: HostTree } {
  const tree = createHostTree();
  tree.write('etc/machine-id', '0123456789abcdef0123456789abcdef\n');
  add(tree);
  const source = { name: 'intel' as const, hostRoot: tree.root, nodeName: 'node-1', levelZeroLibrary };
  return { ...watch({ source }), tree };
}

/** The same, when all cards are known and have been read out once. */
export async function watchReadIntel(
  add: (tree: HostTree) => void,
  cards = 1,
  levelZeroLibrary?: string,
): Promise<ReturnType<typeof watchIntel>> {
  const watched = watchIntel(add, levelZeroLibrary);
  await until(() => watched.supervisor.views().devices.filter(({ readings }) => readings).length === cards);
  return watched;
}
