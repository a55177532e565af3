import type { Tree } from './trees.js';

/** A tree taken apart for explaining: its splits, and groups of leaves that are looked up together. */

export interface Split {
  readonly feature: number;
  readonly threshold: number;
  readonly absentLeft: 0 | 1;
}

/** An edge of a split: to its left (0) or right (1) child. */
export interface Edge {
  /** Number of the split in its tree. */
  readonly split: number;
  readonly side: 0 | 1;
  /** Place of the split's feature on the path. */
  readonly place: number;
}

export interface PathFeature {
  readonly feature: number;
  /** Share of the training rows that keep to the path in this feature, however often it is split on. */
  readonly share: number;
}

export interface Leaf {
  readonly value: number;
  readonly path: readonly PathFeature[];
  readonly edges: readonly Edge[];
}

/** Leaves below one node. Which of them a row reaches, and where it leaves the paths to the others, `splits` tell. */
export interface Group {
  readonly leaves: readonly Leaf[];
  /** Splits on the paths to the leaves, each once. */
  readonly splits: readonly number[];
}

export interface TakenApart {
  readonly splits: readonly Split[];
  readonly groups: readonly Group[];
}

/** @param maxSplits splits of a group, at most; a leaf with more of them above it is a group of its own */
export function takeApart(tree: Tree, maxSplits: number): TakenApart {
  const splits: Split[] = [];
  const groups: Group[] = [];
  const walk = (node: number, path: Leaf['path'], edges: Leaf['edges']): Leaf[] => {
    const left = tree.left_children[node];
    if (left === -1) return [{ value: Math.fround(tree.split_conditions[node]), path, edges }];
    const feature = tree.split_indices[node];
    const absentLeft = tree.default_left[node];
    const split = splits.push({ feature, threshold: tree.split_conditions[node], absentLeft }) - 1;
    const known = path.findIndex((one) => one.feature === feature);
    const place = known < 0 ? path.length : known;
    const below = (child: number, side: 0 | 1): Leaf[] => {
      const share =
        ((path[known]?.share ?? 1) * Math.fround(tree.sum_hessian[child])) / Math.fround(tree.sum_hessian[node]);
      const on = [...path.slice(0, place), { feature, share }, ...path.slice(place + 1)];
      return walk(child, on, [...edges, { split, side, place }]);
    };
    const [ofLeft, ofRight] = [below(left, 0), below(tree.right_children[node], 1)];
    const together = [...ofLeft, ...ofRight];
    // Leaves that went into groups below are not handed on: then neither are those beside them.
    if (ofLeft.length > 0 && ofRight.length > 0 && splitsOf(together).length <= maxSplits) return together;
    for (const leaves of [ofLeft, ofRight]) if (leaves.length > 0) groups.push({ leaves, splits: splitsOf(leaves) });
    return [];
  };
  const rest = walk(0, [], []);
  if (rest.length > 0) groups.push({ leaves: rest, splits: splitsOf(rest) });
  return { splits, groups };
}

function splitsOf(leaves: readonly Leaf[]): number[] {
  return [...new Set(leaves.flatMap(({ edges }) => edges.map(({ split }) => split)))];
}
