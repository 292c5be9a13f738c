/** All configurations, in the order of the report: those of the paper and ours, for both kinds of L2. */
import { l2Kinds } from '../../config/schema.js';
import type { Configuration } from './configuration.js';
import { nested } from './nested.js';
import { paper } from './paper.js';
import { traditional } from './traditional.js';
import { vsbypass } from './vsbypass.js';

export const configurations: readonly Configuration[] = l2Kinds.flatMap((kind) => [
  ...[traditional(kind), nested(kind)],
  ...paper(kind),
  vsbypass(kind),
]);
