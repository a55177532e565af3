import { ActuaryError } from '../../schema/errors.js';
import { decimal } from '../decimal.js';

/** What a number of the command line has to be. */
export interface NumberKind {
  readonly whole?: true;
  /** Bounds, both included; a number above 0 unless told otherwise. */
  readonly least?: number;
  readonly most?: number;
}

/** Reads the number of an option. @throws ActuaryError usage, naming it */
export function numberOf(option: string, text: string, kind: NumberKind): number {
  const { whole, least = Number.MIN_VALUE, most = Number.MAX_VALUE } = kind;
  const value = decimal(text);
  if (value >= least && value <= most && (whole === undefined || Number.isSafeInteger(value))) return value;
  throw new ActuaryError('usage', `${option} ${text}: expected ${described(kind)}`);
}

function described({ whole, least, most }: NumberKind): string {
  const number = whole ? 'a whole number' : 'a number';
  if (least === undefined) return `${number} above 0${most === undefined ? '' : `, ${most} at most`}`;
  return most === undefined ? `${number}, ${least} or more` : `${number} from ${least} to ${most}`;
}
