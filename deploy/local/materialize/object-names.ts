// Names, suffixes and uids that a cluster would draw at random, here derived from what they name, so that the same
// manifests give the same pods each time. Text in, text out.

/** The alphabet of Kubernetes' own suffixes: no vowels, no look-alikes. */
const alphabet = 'bcdfghjklmnpqrstvwxz2456789';

/** `podinfo-7fc5d696c9`'s last part. */
export function templateHash(template: unknown): string {
  return suffix(stableText(template), 10);
}

/** `podinfo-7fc5d696c9-x2k4d`'s last part. */
export function podSuffix(owner: string, index: number): string {
  return suffix(`${owner}#${index}`, 5);
}

/** A UUID (version 8: ours) from the parts that make an object what it is. */
export function uidOf(...parts: readonly string[]): string {
  const text = parts.join('\n');
  const hex = [0, 1, 2, 3].map((seed) => fnv1a(`${seed}\n${text}`).toString(16).padStart(8, '0')).join('');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/** JSON with sorted keys: equal values, equal text. */
export function stableText(value: unknown): string {
  return (
    JSON.stringify(value, (_key, inner: unknown) =>
      typeof inner === 'object' && inner !== null && !Array.isArray(inner)
        ? Object.fromEntries(Object.entries(inner).sort(([left], [right]) => (left < right ? -1 : 1)))
        : inner,
    ) ?? ''
  );
}

function suffix(text: string, length: number): string {
  let out = '';
  let state = 0;
  for (let index = 0; index < length; index += 1) {
    state = fnv1a(`${text}\n${state}\n${index}`);
    out += alphabet[state % alphabet.length];
  }
  return out;
}

/** FNV-1a with a final mix, 32 bits: spreads well enough for names, and is no secret. */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
