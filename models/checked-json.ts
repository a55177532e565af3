import type { Static, TSchema } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { ActuaryError, messageOf } from '../schema/errors.js';

/** A file of a model that is not what it has to be. @param hint what to do about it */
export function corrupt(file: string, what: string, hint: string, cause?: unknown): ActuaryError {
  return new ActuaryError('model_corrupt', `${file}: ${what}. ${hint}`, { cause });
}

/** @throws ActuaryError model_corrupt: the text is not JSON, or not of the shape */
export function parseChecked<T extends TSchema>(shape: T, text: string, file: string, hint: string): Static<T> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw corrupt(file, `not JSON: ${messageOf(error)}`, hint, error);
  }
  return checked(shape, value, file, hint);
}

/** @throws ActuaryError model_corrupt: the value is not of the shape; the first difference is named */
export function checked<T extends TSchema>(shape: T, value: unknown, file: string, hint: string): Static<T> {
  if (Value.Check(shape, value)) return value;
  const error = Value.Errors(shape, value).First();
  throw corrupt(file, `${error?.path ?? ''} ${error?.message ?? ''}`.trim(), hint);
}
