/** Something that was said or stored: comparable with its like of another run. */
export interface Item {
  /** Topic or table. */
  readonly from: string;
  /** What its order counts within; null where order says nothing. */
  readonly key: string | null;
  /** What there is one of: of a GPU, mostly its event time. */
  readonly id: string;
  /** All that is in it, but who said it and at what time of the clock. */
  readonly content: string;
}

export interface Verdict {
  /** What there is to be. */
  readonly records: number;
  /** Not there. */
  readonly lost: number;
  /** There more often than they are to be. */
  readonly duplicated: number;
  /** There with other contents, in another order than the others of their key, or never to be there at all. */
  readonly differing: number;
  /** The first of each of these, in words. */
  readonly examples: readonly string[];
}

const MOST_EXAMPLES = 3;

/** Compares what there is with what there is to be, record for record per key. */
export function compare(expected: readonly Item[], actual: readonly Item[]): Verdict {
  const counts = { lost: 0, duplicated: 0, differing: 0 };
  const examples: Record<keyof typeof counts, string[]> = { lost: [], duplicated: [], differing: [] };
  const tell = (what: keyof typeof counts, times: number, words: string): void => {
    if (times === 0) return;
    counts[what] += times;
    if (examples[what].length < MOST_EXAMPLES) examples[what].push(`${what}: ${words}`);
  };
  const [wanted, found] = [grouped(expected), grouped(actual)];
  for (const group of new Set([...wanted.keys(), ...found.keys()])) {
    const [mine, theirs] = [wanted.get(group) ?? [], found.get(group) ?? []];
    const [byId, actualById] = [contentsById(mine), contentsById(theirs)];
    let isSame = true;
    for (const id of new Set([...byId.keys(), ...actualById.keys()])) {
      const [want, have] = [byId.get(id) ?? [], actualById.get(id) ?? []];
      const where = `${group} ${id}`;
      if (want.length !== have.length) isSame = false;
      tell('lost', Math.max(0, want.length - have.length), where);
      const more = Math.max(0, have.length - want.length);
      if (want.length > 0) tell('duplicated', more, where);
      else tell('differing', more, `${where} is not to be there: ${have[0]}`);
      const unmatched = [...want];
      const others = have.filter((content) => {
        const at = unmatched.indexOf(content);
        if (at >= 0) unmatched.splice(at, 1);
        return at < 0;
      });
      const pairs = Math.min(unmatched.length, others.length);
      tell('differing', pairs, `${where}: ${others[0]} in place of ${unmatched[0]}`);
    }
    const isOrdered = mine.length > 0 && mine[0].key !== null;
    if (isSame && isOrdered && mine.some(({ id }, index) => theirs[index].id !== id))
      tell('differing', 1, `${group}: in another order`);
  }
  return { records: expected.length, ...counts, examples: Object.values(examples).flat() };
}

/** Of several comparisons together. */
export function together(verdicts: readonly Verdict[]): Verdict {
  const sum = (of: (verdict: Verdict) => number): number => verdicts.reduce((total, one) => total + of(one), 0);
  return {
    records: sum(({ records }) => records),
    lost: sum(({ lost }) => lost),
    duplicated: sum(({ duplicated }) => duplicated),
    differing: sum(({ differing }) => differing),
    examples: verdicts.flatMap(({ examples }) => examples),
  };
}

/** As the last line of a run has it. */
export function lineOf(events: number, { records, lost, duplicated, differing }: Verdict): string {
  return `events ${events}, records ${records}, ${lost} lost, ${duplicated} duplicated, ${differing} differing`;
}

function grouped(items: readonly Item[]): Map<string, Item[]> {
  const groups = new Map<string, Item[]>();
  for (const item of items) {
    const name = `${item.from} ${item.key ?? ''}`;
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [item]);
    else group.push(item);
  }
  return groups;
}

function contentsById(items: readonly Item[]): Map<string, string[]> {
  const contents = new Map<string, string[]>();
  for (const { id, content } of items) {
    const known = contents.get(id);
    if (known === undefined) contents.set(id, [content]);
    else known.push(content);
  }
  return contents;
}
