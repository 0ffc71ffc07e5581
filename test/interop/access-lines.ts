// Reads the access log of a ztunnel in the plain format (ztunnel.md §11): its whole output in, the lines about connections
// out, with what differs from run to run taken out of them.

export interface AccessLine {
  readonly level: string;
  readonly message: string;
  /** In their order; without `error` and `code`. */
  readonly fields: readonly (readonly [name: string, value: string])[];
  readonly direction: string;
  readonly error: string | undefined;
  /** Ours alone has it. */
  readonly code: string | undefined;
}

export function accessLines(log: string): readonly AccessLine[] {
  return log.split('\n').flatMap((line) => {
    const [, level, scope, message, rest] = line.split('\t');
    if (level === undefined || scope !== 'access' || message === undefined || rest === undefined) return [];
    const all = [...rest.matchAll(/([\w.]+)=("(?:[^"\\]|\\.)*"|\S+)/g)].map(
      ([, name = '', value = '']) => [name, value] as const,
    );
    const textOf = (wanted: string): string | undefined => {
      const found = all.find(([name]) => name === wanted)?.[1];
      return found === undefined ? undefined : String(JSON.parse(found));
    };
    const fields = all
      .filter(([name]) => name !== 'error' && name !== 'code')
      .map(([name, value]) => [name, stable(name, value)] as const);
    return [
      { level, message, fields, direction: textOf('direction') ?? '', error: textOf('error'), code: textOf('code') },
    ];
  });
}

function stable(name: string, value: string): string {
  if (name === 'src.addr') return value.replace(/:\d+$/, ':any');
  return name === 'duration' ? value.replace(/\d+/, 'any') : value;
}
