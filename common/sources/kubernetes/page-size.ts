// How many objects the next page of a list is asked for: as many as are parsed in a few milliseconds, whatever their size. Pure.

/** Parsed, cut down and narrowed well within 10 ms. */
const wantedBytes = 400_000;
const leastObjects = 20;
const mostObjects = 500;

/** Nothing is known of their size yet. */
export const firstPageObjects = 100;

/** @param objects in the last page @param sizeBytes of the last page, as it came */
export function nextPageObjects(objects: number, sizeBytes: number): number {
  if (objects === 0) return firstPageObjects;
  const fitting = Math.floor(wantedBytes / (sizeBytes / objects));
  return Math.min(Math.max(fitting, leastObjects), mostObjects);
}
