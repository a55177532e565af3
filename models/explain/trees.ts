import { Type, type Static } from '@sinclair/typebox';
import { checked, corrupt, parseChecked } from '../checked-json.js';

/** The trees behind a model's graph, as training leaves them in model.json: XGBoost's own JSON, a booster a head. */

const Flag = Type.Union([Type.Literal(0), Type.Literal(1)]);
const Tree = Type.Object({
  left_children: Type.Array(Type.Integer({ minimum: -1 }), { minItems: 1 }),
  right_children: Type.Array(Type.Integer({ minimum: -1 })),
  split_indices: Type.Array(Type.Integer({ minimum: 0 })),
  /** Threshold of a split; the value of a leaf. */
  split_conditions: Type.Array(Type.Number()),
  default_left: Type.Array(Flag),
  /** Weight of the training rows that came by: the cover. */
  sum_hessian: Type.Array(Type.Number({ minimum: 0 })),
  /** 1 where a split is by category, which no head of ours has. */
  split_type: Type.Array(Type.Literal(0)),
});
export type Tree = Static<typeof Tree>;

const Head = Type.Object({
  learner: Type.Object({
    gradient_booster: Type.Object({ name: Type.Literal('gbtree'), model: Type.Object({ trees: Type.Array(Tree) }) }),
  }),
});
const ModelTrees = Type.Object({
  features: Type.Array(Type.String(), { minItems: 1 }),
  heads: Type.Record(Type.String(), Type.Unknown()),
});

/** A head that says how fast GPUs fail within a piece of time; the others of a model are not explained. */
export interface HazardHead {
  /** As in the file: hazard_FROM_TO, in days. */
  readonly name: string;
  readonly fromDays: number;
  readonly toDays: number;
  readonly trees: readonly Tree[];
}

const HINT = 'Restore it with the model.onnx that it belongs to.';
const HAZARD = /^hazard_(\d+)_(\d+)$/;

/**
 * The hazard heads of a model.json, in the order of their days.
 * @param features columns of the model's input, as its card names them
 * @throws ActuaryError model_corrupt
 */
export function readHazardHeads(text: string, features: readonly string[], file: string): HazardHead[] {
  const parsed = parseChecked(ModelTrees, text, file, HINT);
  if (parsed.features.join() !== features.join()) throw corrupt(file, 'its features are not those of the card', HINT);
  const heads: HazardHead[] = [];
  for (const [name, head] of Object.entries(parsed.heads)) {
    const days = HAZARD.exec(name);
    if (days === null) continue;
    const { trees } = checked(Head, head, `${file}: ${name}`, HINT).learner.gradient_booster.model;
    trees.forEach((tree, index) => {
      if (!isSound(tree, features.length))
        throw corrupt(file, `${name}: tree ${index} is no binary tree of these features`, HINT);
    });
    heads.push({ name, fromDays: Number(days[1]), toDays: Number(days[2]), trees });
  }
  if (heads.length === 0) throw corrupt(file, 'no hazard head', HINT);
  return heads.sort((a, b) => a.fromDays - b.fromDays);
}

/** Whether all arrays are of one length, and children come after their parents: so a walk from the root ends. */
function isSound(tree: Tree, width: number): boolean {
  const count = tree.left_children.length;
  const { left_children, right_children, split_indices, split_conditions, default_left, sum_hessian } = tree;
  for (const array of [right_children, split_indices, split_conditions, default_left, sum_hessian])
    if (array.length !== count) return false;
  return left_children.every((left, node) => {
    const right = right_children[node];
    if (left === -1) return right === -1;
    const isForward = left > node && right > node && left < count && right < count;
    return isForward && split_indices[node] < width && sum_hessian[node] > 0;
  });
}
