/** One thing that may happen next, and what comes of it. */
export interface Step<State> {
  readonly name: string;
  readonly to: State;
}

export interface Model<State> {
  readonly initial: State;
  /** Everything that may happen next. */
  steps(state: State): Step<State>[];
  /** What must not be so; null where all is well. */
  violation(state: State): string | null;
  /** Whether all is done. */
  isDone(state: State): boolean;
}

export interface Explored {
  readonly states: number;
  readonly transitions: number;
  /** What is wrong somewhere, and the shortest way there. */
  readonly counterexample: { readonly violation: string; readonly trace: readonly string[] } | null;
}

/**
 * Visits every state that can be reached, breadth first: what it finds is found on the shortest way. Besides violations
 * it finds states from which nothing leads to an end.
 * @throws Error beyond `mostStates`
 */
export function explore<State>(model: Model<State>, mostStates: number): Explored {
  const states: State[] = [model.initial];
  const numbers = new Map([[JSON.stringify(model.initial), 0]]);
  const parents: number[] = [-1];
  const names: string[] = ['start'];
  /** By state: those that lead to it. */
  const before: number[][] = [[]];
  let transitions = 0;
  const traceTo = (number: number): string[] => (number <= 0 ? [] : [...traceTo(parents[number]), names[number]]);
  const found = (number: number, violation: string): Explored => ({
    ...{ states: states.length, transitions },
    counterexample: { violation, trace: traceTo(number) },
  });
  for (let number = 0; number < states.length; number++) {
    const state = states[number];
    const violation = model.violation(state);
    if (violation !== null) return found(number, violation);
    for (const { name, to } of model.steps(state)) {
      transitions++;
      const key = JSON.stringify(to);
      const known = numbers.get(key);
      if (known !== undefined) {
        before[known].push(number);
        continue;
      }
      if (states.length >= mostStates) throw new Error(`more than ${mostStates} states`);
      numbers.set(key, states.length);
      states.push(to);
      parents.push(number);
      names.push(name);
      before.push([number]);
    }
  }
  const stuck = firstWithoutEnd(
    states.map((state) => model.isDone(state)),
    before,
  );
  if (stuck >= 0) return found(stuck, 'nothing leads from here to an end');
  return { states: states.length, transitions, counterexample: null };
}

/** The first state from which no done one can be reached, by number; −1 if there is none. */
function firstWithoutEnd(done: readonly boolean[], before: readonly (readonly number[])[]): number {
  const ends = [...done];
  const queue = done.flatMap((isDone, number) => (isDone ? [number] : []));
  for (let number = queue.pop(); number !== undefined; number = queue.pop())
    for (const earlier of before[number])
      if (!ends[earlier]) {
        ends[earlier] = true;
        queue.push(earlier);
      }
  return ends.indexOf(false);
}
