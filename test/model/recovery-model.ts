import type { Model, Step } from './explore.js';
import {
  applied,
  DOWN,
  isCutDue,
  NO_TRANSACTION,
  PEACE,
  restored,
  SOURCE,
  work,
  writtenDown,
  type Broker,
  type Budget,
  type Cut,
  type Instance,
  type Mutation,
  type State,
  type Transaction,
  type Unit,
} from './protocol.js';

type Who = 0 | 1;
const BOTH: readonly Who[] = [0, 1];

/** All that may happen between two instances and a broker, within a budget of disturbances. */
export class RecoveryModel implements Model<State> {
  readonly initial: State;

  constructor(
    budget: Budget,
    private readonly mutation: Mutation | null = null,
  ) {
    this.initial = {
      broker: {
        committed: 0,
        outputs: [],
        cuts: [null, null],
        deltas: [],
        owner: null,
        transactions: [NO_TRANSACTION, NO_TRANSACTION],
      },
      instances: [DOWN, DOWN],
      budget,
    };
  }

  steps(state: State): Step<State>[] {
    return [
      ...BOTH.flatMap((who) => [
        ...this.brokerSteps(state, who),
        ...this.instanceSteps(state, who),
        ...disturbances(state, who),
      ]),
      ...damages(state),
    ];
  }

  /** What was committed is what a run in peace says of it; and who speaks has the state that such a run has. */
  violation({ broker, instances }: State): string | null {
    const expected = PEACE[broker.committed].outputs.join(' ');
    const outputs = broker.outputs.join(' ');
    if (outputs !== expected)
      return `outputs up to offset ${broker.committed} are [${outputs}], and in peace [${expected}]`;
    for (const who of BOTH) {
      const { at, isCurrent, hasFailed, fold, next } = instances[who];
      if (at !== 'working' || !isCurrent || hasFailed) continue;
      const [have, want] = [fold, PEACE[next].fold].map(
        ({ windows, said }) => `${windows} folded, ${said.join(' and ')} said`,
      );
      if (have !== want) return `instance ${who} at offset ${next} has ${have}, and in peace ${want}`;
    }
    return null;
  }

  isDone({ broker }: State): boolean {
    return broker.committed === SOURCE.length && broker.transactions.every(({ at }) => at === 'none');
  }

  private brokerSteps(state: State, who: Who): Step<State>[] {
    const { broker } = state;
    const steps: Step<State>[] = [];
    const instance = state.instances[who];
    const transaction = broker.transactions[who];
    if (transaction.at === 'prepared')
      steps.push({ name: `the broker ends the transaction of ${who}`, to: { ...state, broker: ended(broker, who) } });
    // A transaction that goes on for too long is aborted; who goes on, is no such one.
    if (transaction.at === 'open' && (instance.isPaused || instance.at === 'down' || instance.hasFailed))
      steps.push({
        name: `the broker aborts the transaction of ${who}`,
        to: withInstance(withBroker(state, withTransaction(broker, who, NO_TRANSACTION)), who, {
          isFenced: instance.at !== 'down',
        }),
      });
    if (broker.owner === who && instance.isPaused)
      steps.push({
        name: `the session of ${who} expires`,
        to: withInstance(withBroker(state, { ...broker, owner: null }), who, { isCurrent: false }),
      });
    if (broker.owner === 'ghost' && who === 0)
      steps.push({ name: 'the session of the dead one expires', to: withBroker(state, { ...broker, owner: null }) });
    if (broker.owner === null && instance.at === 'idle' && !instance.isPaused && !instance.hasFailed)
      steps.push({
        name: `${who} is assigned`,
        to: withInstance(withBroker(state, { ...broker, owner: who }), who, { at: 'assigned', isCurrent: true }),
      });
    return steps;
  }

  private instanceSteps(state: State, who: Who): Step<State>[] {
    const { broker } = state;
    const instance = state.instances[who];
    const transaction = broker.transactions[who];
    if (instance.isPaused) return [];
    const steps: Step<State>[] = [];
    const add = (name: string, change: Partial<Instance>, after: Broker = broker): void =>
      void steps.push({ name: `${who} ${name}`, to: withInstance(withBroker(state, after), who, change) });
    // A new producer under the same id: its initialisation aborts what is open and waits for what is prepared.
    const reopened = transaction.at === 'open' ? withTransaction(broker, who, NO_TRANSACTION) : broker;
    if (instance.at === 'down') {
      if (transaction.at !== 'prepared') add('starts', { ...DOWN, at: 'idle' }, reopened);
      return steps;
    }
    if (instance.hasFailed) {
      const { at, isCurrent } = instance;
      const isKept = at === 'working' && this.mutation === 'after a failed transaction the state is kept';
      // Who was refused hears from its group why, before it works again.
      const anew: Instance = { ...DOWN, isCurrent, at: isCurrent ? 'assigned' : 'idle' };
      if (transaction.at !== 'prepared')
        add('reopens its producer and begins anew', isKept ? { hasFailed: false, isFenced: false } : anew, reopened);
    }
    if (instance.at !== 'idle' && !instance.isCurrent && instance.units.length === 0 && !instance.hasFailed)
      add('learns that its partition is gone', idleOf(instance));
    if (instance.at === 'working' && instance.isCurrent && instance.units.length === 0 && !instance.hasFailed) {
      const other = state.instances[1 - who];
      if (state.budget.moves > 0 && other.at === 'idle' && !other.hasFailed) {
        const budget = { ...state.budget, moves: state.budget.moves - 1 };
        const after = { ...state, broker: { ...broker, owner: null }, budget };
        steps.push({ name: `${who} gives its partition up`, to: withInstance(after, who, idleOf(instance)) });
      }
    }
    if (instance.at === 'assigned' && !instance.hasFailed) {
      const isMoving = broker.transactions.some(({ at, offset }) => at !== 'none' && offset >= 0);
      const isToldAnyway = this.mutation === 'committed offsets are told while a transaction that moves them is open';
      if (!isMoving || isToldAnyway)
        add('is told the committed offset', { at: 'fetched', committed: broker.committed });
    }
    if (instance.at === 'fetched' && !instance.hasFailed) {
      add('restores its state', restored(instance, broker, this.mutation));
    }
    if (instance.at === 'working' && !instance.hasFailed) {
      // Folding is nobody else's business: that it is ahead of the broker shows when that is about to answer.
      const isAhead = instance.units.length === 1 && instance.stage === 'offsets';
      if (instance.next < SOURCE.length && (instance.units.length === 0 || isAhead)) {
        const isDue = isCutDue(instance);
        add(`folds reading ${instance.next}${isDue ? ', with a cut' : ''}`, work(instance, isDue, this.mutation));
        if (!isDue && state.budget.cuts > 0) {
          const budget = { ...state.budget, cuts: state.budget.cuts - 1 };
          const to = withInstance({ ...state, budget }, who, work(instance, true, this.mutation));
          steps.push({ name: `${who} folds reading ${instance.next}, with a cut`, to });
        }
      }
      if (instance.units.length > 0) steps.push(...this.transactionSteps(state, who));
    }
    return steps;
  }

  /** The next call to the broker of a unit's transaction, and how it may go. */
  private transactionSteps(state: State, who: Who): Step<State>[] {
    const { broker, budget } = state;
    const instance = state.instances[who];
    const [unit, ...later] = instance.units;
    // What is prepared is waited for by the client itself.
    if (instance.stage === 'folded' && broker.transactions[who].at === 'prepared') return [];
    const [name, to] = this.call(broker, who, instance, unit);
    const settled = instance.stage === 'offsets';
    const onward: Partial<Instance> = settled
      ? { units: later, stage: 'folded' }
      : { stage: instance.stage === 'folded' ? 'produced' : 'offsets' };
    const isKept = this.mutation === 'after a failed transaction the state is kept';
    const { at, isCurrent, isFenced } = instance;
    // What is in hand is void; what it knows is of no use any more.
    const failed: Partial<Instance> = isKept
      ? { hasFailed: true, units: [], stage: 'folded' }
      : { ...DOWN, at, isCurrent, isFenced, hasFailed: true };
    if (to === null) return [{ name: `${who} ${name}: refused`, to: withInstance(state, who, failed) }];
    const steps = [{ name: `${who} ${name}`, to: withInstance(withBroker(state, to), who, onward) }];
    if (budget.faults === 0) return steps;
    const spent = { ...state, budget: { ...budget, faults: budget.faults - 1 } };
    steps.push({ name: `${who} ${name}: not answered, not done`, to: withInstance(spent, who, failed) });
    const isRepeated = settled && this.mutation === 'a commit without an answer counts as failed';
    steps.push({
      name: `${who} ${name}: done, not answered`,
      // The mutation tries the same unit again in a new transaction.
      to: withInstance(withBroker(spent, to), who, isRepeated ? { units: [unit], stage: 'folded' } : failed),
    });
    return steps;
  }

  /** @returns what a call does to the broker; null where it is refused */
  private call(broker: Broker, who: Who, instance: Instance, unit: Unit): readonly [string, Broker | null] {
    const { mutation } = this;
    const transaction = broker.transactions[who];
    const isOpen = transaction.at === 'open' && !instance.isFenced;
    const isRefused = !instance.isCurrent && mutation !== 'an instance that lost its partition is not refused';
    switch (instance.stage) {
      case 'folded': {
        if (mutation === 'outputs are written before the offsets are committed')
          return ['produces', withTransaction(applied(broker, unit), who, { ...NO_TRANSACTION, at: 'open' })];
        if (transaction.at !== 'none' || instance.isFenced) return ['produces', null];
        const isApart = mutation === 'checkpoints are written outside the transaction';
        const after = isApart ? writtenDown(broker, unit) : broker;
        return ['produces', withTransaction(after, who, { ...NO_TRANSACTION, at: 'open', unit })];
      }
      case 'produced': {
        if (isRefused || !isOpen) return ['sends offsets', null];
        const sent = withTransaction(broker, who, { ...transaction, offset: unit.offset });
        const isEarly = mutation === 'offsets are committed before the outputs';
        return ['sends offsets', isEarly ? { ...sent, committed: unit.offset } : sent];
      }
      case 'offsets':
        return ['commits', isOpen ? withTransaction(broker, who, { ...transaction, at: 'prepared' }) : null];
    }
  }
}

/** What nobody wants to happen, as far as the budget goes; and that who was paused goes on. */
function disturbances(state: State, who: Who): Step<State>[] {
  const { broker, budget } = state;
  const instance = state.instances[who];
  const steps: Step<State>[] = [];
  if (instance.at === 'down') return steps;
  if (budget.crashes > 0) {
    const after = { ...broker, owner: broker.owner === who ? ('ghost' as const) : broker.owner };
    steps.push({
      name: `${who} is killed`,
      to: withInstance({ ...state, broker: after, budget: { ...budget, crashes: budget.crashes - 1 } }, who, DOWN),
    });
  }
  if (instance.isPaused) steps.push({ name: `${who} wakes up`, to: withInstance(state, who, { isPaused: false }) });
  else if (budget.pauses > 0)
    steps.push({
      name: `${who} is paused`,
      to: withInstance({ ...state, budget: { ...budget, pauses: budget.pauses - 1 } }, who, { isPaused: true }),
    });
  return steps;
}

/** The newest cut can be damaged where there is another: of two nothing could be promised. */
function damages(state: State): Step<State>[] {
  const { broker, budget } = state;
  const [a, b] = broker.cuts;
  if (budget.damages === 0 || (a === null && b === null)) return [];
  const newest = (a?.number ?? 0) > (b?.number ?? 0) ? 0 : 1;
  const hurt = (cut: Cut | null, generation: number): Cut | null =>
    cut !== null && generation === newest ? { ...cut, isDamaged: true } : cut;
  const cuts = [hurt(a, 0), hurt(b, 1)] as const;
  return [
    {
      name: 'the newest cut is damaged',
      to: { ...state, broker: { ...broker, cuts }, budget: { ...budget, damages: budget.damages - 1 } },
    },
  ];
}

/** What it still knows when it has no partition: nothing. */
function idleOf({ isFenced, hasFailed }: Instance): Instance {
  return { ...DOWN, at: 'idle', isFenced, hasFailed };
}

function ended(broker: Broker, who: Who): Broker {
  const { unit, offset } = broker.transactions[who];
  const after = withTransaction(broker, who, NO_TRANSACTION);
  return unit === null ? { ...after, committed: offset } : { ...applied(after, unit), committed: offset };
}

const withBroker = (state: State, broker: Broker): State => ({ ...state, broker });

function withInstance(state: State, who: Who, change: Partial<Instance>): State {
  const changed = { ...state.instances[who], ...change };
  return { ...state, instances: who === 0 ? [changed, state.instances[1]] : [state.instances[0], changed] };
}

function withTransaction(broker: Broker, who: Who, transaction: Transaction): Broker {
  const [first, second] = broker.transactions;
  return { ...broker, transactions: who === 0 ? [transaction, second] : [first, transaction] };
}
