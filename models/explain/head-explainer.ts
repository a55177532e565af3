import { Turn } from '../../schema/turn.js';
import { takeApart, type Group, type Leaf, type TakenApart } from './leaves.js';
import { leafContributions, MAX_PATH_FEATURES } from './shapley.js';
import type { HazardHead } from './trees.js';

/**
 * Splits of a group of leaves, at most: its table has 2 to the power of them rows. More make fewer look-ups, in tables
 * that no longer fit the processor's cache: of 4 to 8, a row takes least with 6 (398 trees of depth 4).
 */
const MAX_GROUP_SPLITS = 6;

/**
 * Explains one head: what each feature adds to the sum of its trees, against the mean over the training rows. What a
 * group of leaves contributes depends on the row by the few splits above them alone, so it is computed beforehand for
 * every outcome of these, as far as memory is granted, and a row looks it up: a fraction of the work of walking to each
 * leaf, which keeps that of a row far below a millisecond.
 */
export class HeadExplainer {
  readonly name: string;
  readonly fromDays: number;
  readonly toDays: number;
  /** The expected margin: the mean of the trees over the training rows. */
  readonly base: number;
  // Splits of all trees, in the order of their features and thresholds: a row goes right at those of a feature up to its
  // value, so that no outcome of a comparison is a surprise to the processor.
  /** By feature: where its splits begin; one more for the end. */
  private readonly featureFrom: Int32Array;
  private readonly threshold: Float32Array;
  private readonly absentRight: Uint8Array;
  /** By split: 1 where the row goes right. */
  private readonly right: Uint8Array;
  // Groups with tables: where their splits, features and tables begin; one more for the end.
  private readonly splitsFrom: Int32Array;
  private readonly featuresFrom: Int32Array;
  private readonly tableFrom: Int32Array;
  private readonly groupSplit: Int32Array;
  private readonly groupFeature: Int32Array;
  private readonly table: Float64Array;
  /** What the tables are yet to be filled from. */
  private tables: readonly GroupTable[];
  /** Leaves without a table, worked out for each row. */
  private readonly bare: readonly BareLeaf[];
  private readonly scratch = new Float64Array(MAX_PATH_FEATURES);

  private constructor(head: HazardHead, trees: readonly TakenApart[], features: number, tableBytes: number) {
    this.name = head.name;
    this.fromDays = head.fromDays;
    this.toDays = head.toDays;
    const splits = trees.flatMap((tree) => tree.splits);
    const order = splits.map((_, index) => index);
    order.sort((a, b) => splits[a].feature - splits[b].feature || splits[a].threshold - splits[b].threshold);
    const places = new Int32Array(splits.length);
    order.forEach((index, place) => (places[index] = place));
    this.featureFrom = new Int32Array(features + 1);
    for (const { feature } of splits) this.featureFrom[feature + 1]++;
    for (let feature = 0; feature < features; feature++) this.featureFrom[feature + 1] += this.featureFrom[feature];
    this.threshold = Float32Array.from(order, (index) => splits[index].threshold);
    this.absentRight = Uint8Array.from(order, (index) => 1 - splits[index].absentLeft);
    this.right = new Uint8Array(splits.length);
    const tables: GroupTable[] = [];
    const bare: BareLeaf[] = [];
    let entries = 0;
    let before = 0;
    this.base = 0;
    for (const { splits, groups } of trees) {
      for (const group of groups) {
        for (const { value, path } of group.leaves) this.base += path.reduce((part, { share }) => part * share, value);
        const features = [...new Set(group.leaves.flatMap(({ path }) => path.map(({ feature }) => feature)))];
        const more = features.length * 2 ** group.splits.length;
        const isReady =
          group.splits.length <= MAX_GROUP_SPLITS && (entries + more) * Float64Array.BYTES_PER_ELEMENT <= tableBytes;
        if (isReady) {
          tables.push({ group, features, firstSplit: before });
          entries += more;
        } else for (const leaf of group.leaves) bare.push(bareLeaf(leaf, places.subarray(before)));
      }
      before += splits.length;
    }
    this.bare = bare;
    this.splitsFrom = beginnings(tables, ({ group }) => group.splits.length);
    this.featuresFrom = beginnings(tables, ({ features }) => features.length);
    this.tableFrom = beginnings(tables, ({ group, features }) => features.length * 2 ** group.splits.length);
    this.groupSplit = Int32Array.from(
      tables.flatMap(({ group, firstSplit }) => group.splits.map((s) => places[firstSplit + s])),
    );
    this.groupFeature = Int32Array.from(tables.flatMap(({ features }) => features));
    this.table = new Float64Array(entries);
    this.tables = tables;
  }

  /**
   * Makes ready what can be computed beforehand. Others have their turn meanwhile.
   * @param features of the model's input, how many
   * @param tableBytes memory for that; the rest is worked out for each row
   */
  static async make(head: HazardHead, features: number, tableBytes: number): Promise<HeadExplainer> {
    const turn = new Turn();
    const trees: TakenApart[] = [];
    for (const tree of head.trees) {
      trees.push(takeApart(tree, MAX_GROUP_SPLITS));
      if (turn.isOver()) await turn.next();
    }
    const explainer = new HeadExplainer(head, trees, features, tableBytes);
    const { table, tableFrom, tables } = explainer;
    for (const [index, { group, features }] of tables.entries()) {
      fill(table.subarray(tableFrom[index], tableFrom[index + 1]), group, features);
      if (turn.isOver()) await turn.next();
    }
    explainer.tables = [];
    return explainer;
  }

  /** Memory of what is computed beforehand. */
  get tableBytes(): number {
    return this.table.byteLength;
  }

  /**
   * Adds what each feature contributes to the margin; base and contributions sum to the margin.
   * @param row features of the model's input as float32, NaN where there is none
   * @param scale what contributions are multiplied by
   * @param out a value a feature
   */
  add(row: Float32Array, scale: number, out: Float64Array): void {
    this.turn(row);
    const { right } = this;
    const { splitsFrom, featuresFrom, tableFrom, groupSplit, groupFeature, table } = this;
    const groups = splitsFrom.length - 1;
    for (let group = 0, split = 0, feature = 0; group < groups; group++) {
      let outcome = 0;
      for (const end = splitsFrom[group + 1]; split < end; split++) outcome = (outcome << 1) | right[groupSplit[split]];
      const end = featuresFrom[group + 1];
      let at = tableFrom[group] + outcome * (end - feature);
      for (; feature < end; feature++) out[groupFeature[feature]] += scale * table[at++];
    }
    for (const leaf of this.bare) this.addBare(leaf, scale, out);
  }

  /** Finds the outcome of each split. */
  private turn(row: Float32Array): void {
    const { featureFrom, threshold, absentRight, right } = this;
    for (let feature = 0, split = 0; feature < row.length; feature++) {
      const value = row[feature];
      const end = featureFrom[feature + 1];
      if (value === value) {
        // XGBoost goes left where float32(value) < float32(threshold).
        for (; split < end && value >= threshold[split]; split++) right[split] = 1;
        for (; split < end; split++) right[split] = 0;
      } else for (; split < end; split++) right[split] = absentRight[split];
    }
  }

  private addBare({ value, features, shares, edges }: BareLeaf, scale: number, out: Float64Array): void {
    let left = 0;
    for (const { split, side, place } of edges) left |= (this.right[split] ^ side) << place;
    leafContributions(value, left, shares, 0, features.length, this.scratch, 0);
    for (let i = 0; i < features.length; i++) out[features[i]] += scale * this.scratch[i];
  }
}

interface GroupTable {
  readonly group: Group;
  readonly features: readonly number[];
  /** Number of the tree's first split among those of all trees. */
  readonly firstSplit: number;
}

interface BareLeaf {
  readonly value: number;
  readonly features: Int32Array;
  readonly shares: Float64Array;
  readonly edges: Leaf['edges'];
}

/** @param places of the splits of the leaf's tree among all splits */
function bareLeaf({ value, path, edges }: Leaf, places: Int32Array): BareLeaf {
  return {
    value,
    features: Int32Array.from(path, ({ feature }) => feature),
    shares: Float64Array.from(path, ({ share }) => share),
    edges: edges.map((edge) => ({ ...edge, split: places[edge.split] })),
  };
}

function beginnings<T>(items: readonly T[], lengthOf: (item: T) => number): Int32Array {
  const from = new Int32Array(items.length + 1);
  items.forEach((item, index) => (from[index + 1] = from[index] + lengthOf(item)));
  return from;
}

/** Fills a group's table: for each outcome of its splits, the first one the highest bit, what each feature adds. */
function fill(table: Float64Array, { leaves, splits }: Group, features: readonly number[]): void {
  const bitOf = new Map(splits.map((split, index) => [split, splits.length - 1 - index]));
  const columnOf = new Map(features.map((feature, column) => [feature, column]));
  for (const { value, path, edges } of leaves) {
    const m = path.length;
    const shares = Float64Array.from(path, ({ share }) => share);
    const columns = path.map(({ feature }) => columnOf.get(feature)!);
    const bits = edges.map(({ split }) => bitOf.get(split)!);
    // A leaf knows only in which of its features the row leaves the path.
    const contributions = new Float64Array(m * 2 ** m);
    for (let left = 0; left < 2 ** m; left++) leafContributions(value, left, shares, 0, m, contributions, left * m);
    for (let outcome = 0; outcome < 2 ** splits.length; outcome++) {
      let left = 0;
      for (let i = 0; i < edges.length; i++) left |= (((outcome >> bits[i]) & 1) ^ edges[i].side) << edges[i].place;
      for (let i = 0; i < m; i++) table[outcome * features.length + columns[i]] += contributions[left * m + i];
    }
  }
}
