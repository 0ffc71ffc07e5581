// A weighted random choice without randomness of its own. In: items, weights, a number in [0, 1).
// Out: the item, and a number in [0, 1) that is independent of the choice, for whatever is chosen next.

export interface WeightedPick<T> {
  readonly item: T;
  readonly random: number;
}

/** Undefined when no item has a weight above zero. */
export function pickWeighted<T>(
  items: readonly T[],
  weightOf: (item: T) => number,
  random: number,
): WeightedPick<T> | undefined {
  let total = 0;
  for (const item of items) total += weightOf(item);
  let point = random * total;
  let last: WeightedPick<T> | undefined;
  for (const item of items) {
    const weight = weightOf(item);
    if (weight <= 0) continue;
    if (point < weight) return { item, random: point / weight };
    point -= weight;
    // Only reached past the end when rounding has eaten the last item's share.
    last = { item, random: 0 };
  }
  return last;
}
