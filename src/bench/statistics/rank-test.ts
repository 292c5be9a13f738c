/** Whether one set of samples tends to be larger than another: Mann and Whitney's U (1947). */
import { cumulativeStdNormalProbability } from 'simple-statistics';

/**
 * The probability of a U as large as this one if both were drawn from the same distribution; one-sided, by
 * the normal approximation with corrections for ties and continuity: good from some eight samples each on.
 *
 * @param larger the samples that are suspected to be larger
 * @returns 1 where there is nothing to compare
 */
export function probabilityNotLarger(larger: readonly number[], other: readonly number[]): number {
  const [n, m] = [larger.length, other.length];
  if (n === 0 || m === 0) return 1;
  const all = [
    ...larger.map((value) => ({ value, own: true })),
    ...other.map((value) => ({ value, own: false })),
  ].sort((a, b) => a.value - b.value);
  let rankSum = 0;
  let ties = 0;
  for (let start = 0; start < all.length;) {
    let end = start;
    while (end < all.length && all[end]?.value === all[start]?.value) end++;
    // Equal values share the mean of their ranks, which count from 1.
    const rank = (start + 1 + end) / 2;
    const count = end - start;
    ties += count ** 3 - count;
    for (let index = start; index < end; index++) if (all[index]?.own === true) rankSum += rank;
    start = end;
  }
  const u = rankSum - (n * (n + 1)) / 2;
  const total = n + m;
  const variance = ((n * m) / 12) * (total + 1 - ties / (total * (total - 1)));
  if (variance <= 0) return 1;
  return 1 - cumulativeStdNormalProbability((u - (n * m) / 2 - 0.5) / Math.sqrt(variance));
}

/** Holm's step-down correction (1979): which of these hypotheses fall at the level `alpha` together. */
export function rejectedByHolm(probabilities: readonly number[], alpha: number): boolean[] {
  const order = probabilities.map((_, index) => index);
  order.sort((a, b) => (probabilities[a] ?? 1) - (probabilities[b] ?? 1));
  const rejected = probabilities.map(() => false);
  for (const [rank, index] of order.entries()) {
    if ((probabilities[index] ?? 1) > alpha / (probabilities.length - rank)) break;
    rejected[index] = true;
  }
  return rejected;
}
