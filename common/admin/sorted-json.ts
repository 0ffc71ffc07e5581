// JSON for people and for istioctl: two spaces, keys in alphabetical order at every level, also those that look like
// numbers (which JavaScript would put first). In: a plain value. Out: its text.

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json | undefined };

/** Members that are undefined are left out. */
export function writeSortedJson(value: Json, indent = ''): string {
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  const inner = `${indent}  `;
  const isList = isArray(value);
  const members = isList
    ? value.map((member) => inner + writeSortedJson(member, inner))
    : Object.keys(value)
        .sort()
        .flatMap((key) => {
          const member = value[key];
          return member === undefined ? [] : [`${inner}${JSON.stringify(key)}: ${writeSortedJson(member, inner)}`];
        });
  const [open, close] = isList ? '[]' : '{}';
  return members.length === 0 ? `${open}${close}` : `${open}\n${members.join(',\n')}\n${indent}${close}`;
}

function isArray(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}
