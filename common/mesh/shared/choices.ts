// Words of a closed set as small numbers. A word that the set gets some day and that has no number here does not type-check.

export interface Choices<T extends string> {
  readonly numbers: Readonly<Record<T, number>>;
  /** By number. */
  readonly words: readonly T[];
}

/** @param numbers 0, 1, 2, … in this order */
export function choicesOf<T extends string>(numbers: Readonly<Record<T, number>>): Choices<T> {
  return { numbers, words: Object.keys(numbers) as T[] };
}
