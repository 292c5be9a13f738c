/** What the cache of images holds. */

/** As images/prune tells them apart. */
export const cacheKinds = ['image', 'program', 'package', 'source', 'leftover'] as const;
