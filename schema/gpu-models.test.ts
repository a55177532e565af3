import { describe, expect, it } from 'vitest';
import { GPU_MODELS, gpuModelFamily } from './gpu-models.js';

describe('gpuModelFamily', () => {
  it.each([
    ['NVIDIA H100 80GB HBM3', 'H100'],
    ['NVIDIA-H100-80GB-HBM3', 'H100'],
    ['nvidia_h100_pcie', 'H100'],
    ['H100', 'H100'],
    ['NVIDIA A100-SXM4-80GB', 'A100'],
    ['A100-PCIE-40GB', 'A100'],
    ['NVIDIA GH200 480GB', 'GH200'],
    ['NVIDIA L40S', 'L40S'],
    ['Tesla V100-SXM2-16GB', 'V100'],
  ])('finds the model as a word in %s', (name, family) => {
    expect(gpuModelFamily(name)).toBe(family);
  });

  it.each(['NVIDIA RTX A1000', 'NVIDIA A100X', 'NVIDIA RTX A6000', 'XH100', 'GeForce RTX 4090', ''])(
    'takes no part of a longer word for a model: %s',
    (name) => {
      expect(gpuModelFamily(name)).toBeNull();
    },
  );

  it('has no family for a GPU without a model name', () => {
    expect(gpuModelFamily(undefined)).toBeNull();
    expect(gpuModelFamily(null)).toBeNull();
  });

  it('finds every family by its own name', () => {
    for (const model of GPU_MODELS) expect(gpuModelFamily(`NVIDIA ${model} 80GB`)).toBe(model);
  });
});
