/** Results of a benchmark, made up. */
import type { Results, Series } from '../../src/bench/results.js';

export function seriesOf(
  change: Partial<Omit<Series, 'samples'>> & { readonly samples?: readonly number[] },
): Series {
  const { samples = [], ...rest } = change;
  return {
    measure: 'response',
    configuration: 'kvm/vsbypass',
    end: 'stream',
    state: 'idle',
    ...{ unit: 'ms', better: 'lower', wanted: samples.length, failures: [] },
    ...rest,
    samples: samples.map((value, index) => ({ at: index, value })),
  };
}

export function resultsWith(series: Series[], accel: 'kvm' | 'tcg' = 'tcg'): Results {
  return {
    schemaVersion: 1,
    kind: 'vsbypass-bench',
    environment: {
      ...{ date: '2026-01-02T03:04:05.000Z', version: '0.1.0', accel, accelWhy: 'a test' },
      ...{ cpu: 'a <fast> CPU', cpus: 2, memoryMiB: 1024, kernel: '6.1', qemu: '7.2.0' },
      ...{ node: 'v20.0.0', load: [0.5, 1], images: { xen: 'xen-1' }, seed: 5 },
    },
    complete: true,
    seconds: 60,
    configurations: [
      { id: 'kvm/nested', l2: 'kvm', title: 'nested', about: "through L2's QEMU" },
      { id: 'kvm/vsbypass', l2: 'kvm', title: 'vsbypass', about: 'ours' },
      { id: 'xen/nested', l2: 'xen', title: 'nested', about: 'dom0', notAvailable: 'no Xen' },
    ],
    series,
    anatomy: [],
  };
}
