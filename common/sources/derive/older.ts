// Which of two objects was made first; of two of the same second, the first by namespace and name.
import type { KubernetesObject } from '../kubernetes-object.ts';

export function older<A extends KubernetesObject>(a: A, b: A): A {
  const [x, y] = [a.metadata, b.metadata];
  if (x.creationTimestamp !== y.creationTimestamp) return x.creationTimestamp < y.creationTimestamp ? a : b;
  return `${x.namespace}/${x.name}` <= `${y.namespace}/${y.name}` ? a : b;
}
