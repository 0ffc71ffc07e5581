// Several values under one key, in the order they came. Nearly every key has one value only, so that a new short list
// each time is cheaper than a set a key, and a list that was handed out stays as it was.

export type ListsByKey<K, V> = Map<K, readonly V[]>;

export function addToList<K, V>(lists: ListsByKey<K, V>, key: K, value: V): void {
  const list = lists.get(key);
  if (list?.includes(value)) return;
  lists.set(key, list === undefined ? [value] : [...list, value]);
}

export function dropFromList<K, V>(lists: ListsByKey<K, V>, key: K, value: V): void {
  const left = lists.get(key)?.filter((other) => other !== value) ?? [];
  if (left.length === 0) lists.delete(key);
  else lists.set(key, left);
}
