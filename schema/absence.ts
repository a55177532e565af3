/** A message of gpu.presence, JSON: a GPU fell silent, and features and a prediction are to say so once. */
export interface AbsenceNotice {
  readonly gpu_uuid: string;
  /** Event time of the newest reading that was heard, epoch ms. */
  readonly newest_reading_at: number;
  /** Event time that the records are to hold for, epoch ms. */
  readonly as_of: number;
}

/** @returns null for what is no notice */
export function parseAbsenceNotice(value: Buffer | null): AbsenceNotice | null {
  if (value === null) return null;
  let notice: Partial<AbsenceNotice> | null;
  try {
    notice = JSON.parse(value.toString('utf8')) as Partial<AbsenceNotice> | null;
  } catch {
    return null;
  }
  const isWhole =
    typeof notice?.gpu_uuid === 'string' &&
    Number.isSafeInteger(notice.newest_reading_at) &&
    Number.isSafeInteger(notice.as_of);
  return isWhole ? (notice as AbsenceNotice) : null;
}
