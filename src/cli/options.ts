/** Choices of options that several commands have; light, for the sake of `--help`. */
import type { L2Kind } from '../config/schema.js';

export const l2Kinds = ['kvm', 'xen'] as const satisfies readonly L2Kind[];
