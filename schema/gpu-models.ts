/**
 * GPU models by name, and the limits of each. Names vary by producer ("NVIDIA H100 80GB HBM3",
 * "NVIDIA-H100-80GB-HBM3", "Tesla T4"), so a model is a word in the name: letters and digits on either side make it
 * another product (an RTX A1000 or an A100X is no A100, a GH200 no H100, an L40S no L40).
 */

/** Product families that the engine tells apart. */
export const GPU_MODELS = [
  'V100',
  'T4',
  'A10',
  'A30',
  'A40',
  'A100',
  'A800',
  'L4',
  'L40',
  'L40S',
  'H20',
  'H100',
  'H200',
  'H800',
  'GH200',
  'B100',
  'B200',
  'B300',
  'GB200',
  'GB300',
] as const;
export type GpuModel = (typeof GPU_MODELS)[number];

const known: ReadonlySet<string> = new Set(GPU_MODELS);
/** Fleets have a handful of distinct names; this bounds what a hostile producer can make us remember. */
const CACHE_LIMIT = 10_000;
const cache = new Map<string, GpuModel | null>();

/**
 * Product family of a model name.
 * @param name as producers and assets state it; case does not matter
 * @returns the family of the first word that names one; null if none does or there is no name
 */
export function gpuModelFamily(name: string | null | undefined): GpuModel | null {
  if (name === null || name === undefined) return null;
  let family = cache.get(name);
  if (family === undefined) {
    family = findFamily(name);
    if (cache.size >= CACHE_LIMIT) cache.clear();
    cache.set(name, family);
  }
  return family;
}

function findFamily(name: string): GpuModel | null {
  for (const word of name.toUpperCase().split(/[^A-Z0-9]+/)) if (known.has(word)) return word as GpuModel;
  return null;
}
