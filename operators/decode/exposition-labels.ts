import { GPU_UUID } from './json.js';

/** What the engine wants to know of a label set; one object a distinct label text. */
export interface LineLabels {
  /** Null where there is no well-formed UUID. */
  readonly uuid: string | null;
  readonly model: string | undefined;
  readonly host: string | undefined;
  /** The row speaks of a MIG slice, not of the whole device. */
  readonly slice: boolean;
  /** NVLink number, −1 where no label tells one. */
  readonly link: number;
}

const UUID_LABELS = ['UUID', 'uuid', 'gpu_uuid', 'exported_UUID', 'exported_uuid'];
const MODEL_LABELS = ['modelName', 'model_name', 'exported_modelName'];
const HOST_LABELS = ['Hostname', 'hostname', 'exported_Hostname', 'exported_hostname'];
const SLICE_LABELS = ['GPU_I_ID', 'gpu_i_id'];
const LINK_LABELS = ['nvlink', 'link', 'nvlink_id'];

/** A fleet has a few label sets a GPU; beyond this something makes them up, and remembering would leak. */
const MAX_REMEMBERED = 200_000;

/** Parses label sets, and remembers them: every scrape repeats the last one's. */
export class LabelSets {
  private readonly known = new Map<string, LineLabels | null>();

  /** @param text between the braces; @returns null where it is no label set */
  of(text: string): LineLabels | null {
    let labels = this.known.get(text);
    if (labels === undefined) {
      labels = parseLabels(text);
      if (this.known.size >= MAX_REMEMBERED) this.known.clear();
      this.known.set(text, labels);
    }
    return labels;
  }
}

const LABEL = /\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*(,|$)/y;

/** @param text between the braces; @returns null where it is no label set */
export function parseLabels(text: string): LineLabels | null {
  const labels = new Map<string, string>();
  LABEL.lastIndex = 0;
  while (LABEL.lastIndex < text.length) {
    if (text.slice(LABEL.lastIndex).trim() === '') break;
    const match = LABEL.exec(text);
    if (match === null) return null;
    labels.set(
      match[1],
      match[2].replace(/\\(.)/gs, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped)),
    );
  }
  const first = (names: readonly string[]): string | undefined =>
    names.map((name) => labels.get(name)).find((value) => value !== undefined && value !== '');
  const uuid = first(UUID_LABELS);
  const link = first(LINK_LABELS);
  return {
    uuid: uuid !== undefined && GPU_UUID.test(uuid) ? uuid : null,
    model: first(MODEL_LABELS),
    host: first(HOST_LABELS),
    slice: first(SLICE_LABELS) !== undefined,
    link: link !== undefined && /^\d{1,3}$/.test(link) ? Number(link) : -1,
  };
}
