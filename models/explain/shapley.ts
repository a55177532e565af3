/**
 * Shapley values of one leaf of a tree, path-dependent TreeSHAP (Lundberg et al., arXiv 1802.03888, algorithm 2), leaf
 * by leaf. With m features on the path to a leaf, a set S of known features reaches it with probability
 * Π over S of o · Π over the others of z, where o is 1 if the row's value keeps to the path and z is the share of the
 * training rows that does. So the sum over all sets is a product of polynomials, one factor (z + o x) a feature.
 */

/** Features on a path that are looked at together, at most: the width of a bit pattern. */
export const MAX_PATH_FEATURES = 30;

/** k! (m − 1 − k)! / m!, the weight of a set of k among the m − 1 others, by m and k. */
const weights: Float64Array[] = [];

function weightsOf(m: number): Float64Array {
  let of: Float64Array | undefined = weights[m];
  if (of === undefined) {
    of = new Float64Array(m);
    of[0] = 1 / m;
    for (let k = 1; k < m; k++) of[k] = (of[k - 1] * k) / (m - k);
    weights[m] = of;
  }
  return of;
}

const polynomial = new Float64Array(MAX_PATH_FEATURES + 1);

/**
 * Writes what each feature of a path adds to the margin by one leaf.
 * @param value the leaf's
 * @param left bit i: the row leaves the path in its i-th feature
 * @param shares z of the path's features, from `first` on
 * @param m features on the path, at least 1
 * @param out m values from `at` on
 */
export function leafContributions(
  value: number,
  left: number,
  shares: Float64Array,
  first: number,
  m: number,
  out: Float64Array,
  at: number,
): void {
  const weight = weightsOf(m);
  for (let i = 0; i < m; i++) {
    polynomial[0] = 1;
    let degree = 0;
    for (let j = 0; j < m; j++) {
      if (j === i) continue;
      const share = shares[first + j];
      const isKept = ((left >> j) & 1) === 0;
      if (isKept) {
        polynomial[degree + 1] = polynomial[degree];
        for (let k = degree; k > 0; k--) polynomial[k] = polynomial[k] * share + polynomial[k - 1];
        degree++;
      } else for (let k = 1; k <= degree; k++) polynomial[k] *= share;
      polynomial[0] *= share;
    }
    let sum = 0;
    for (let k = 0; k <= degree; k++) sum += polynomial[k] * weight[k];
    out[at + i] = value * (1 - ((left >> i) & 1) - shares[first + i]) * sum;
  }
}
