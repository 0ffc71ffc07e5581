// The mesh of two pods seen in a mirror: what one proxy says of its pod, as the other must say it of its own. Text in,
// text out, and the same for values made of texts.

/** Each names something of one pod, and what it is called at the other. */
const pairs = [
  ['theirs', 'ours'],
  ['their-account', 'our-account'],
  ['node-a', 'node-b'],
  ['zone-1a', 'zone-1b'],
  ['10.77.0.1', '10.77.0.2'],
  ['10.77.0.11', '10.77.0.12'],
  ['10.96.77.1', '10.96.77.2'],
] as const;
const names: ReadonlyMap<string, string> = new Map([...pairs, ...pairs.map(([a, b]) => [b, a] as const)]);
const alternatives = [...names.keys()].sort((a, b) => b.length - a.length).map((name) => name.replaceAll('.', '\\.'));
const anyName = new RegExp(`(?<![A-Za-z0-9])(?:${alternatives.join('|')})(?![A-Za-z0-9])`, 'g');

export function mirrorText(text: string): string {
  return text.replace(anyName, (name) => names.get(name) ?? name);
}

/** @param value of JSON */
export function mirror<T>(value: T): T {
  return JSON.parse(mirrorText(JSON.stringify(value)));
}
