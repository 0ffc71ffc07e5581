// Which scope logs at which level: directives as RUST_LOG and `/logging?level=` carry them (ztunnel.md §11, §12),
// `info,access=debug,ztunnel::proxy=warn`. Pure: text in, levels or the word that is no level out.

export const logLevels = ['off', 'error', 'warn', 'info', 'debug', 'trace'] as const;
export type LogLevel = (typeof logLevels)[number];

export interface LevelDirectives {
  readonly fallback: LogLevel;
  readonly scopes: ReadonlyMap<string, LogLevel>;
}

export type ParsedDirectives =
  | { readonly kind: 'valid'; readonly directives: LevelDirectives }
  | { readonly kind: 'invalid'; readonly directive: string };

export const defaultDirectives: LevelDirectives = { fallback: 'info', scopes: new Map() };

/** Later directives win; what the text does not name stays as it is in `before`. */
export function parseDirectives(text: string, before: LevelDirectives = defaultDirectives): ParsedDirectives {
  let { fallback } = before;
  const scopes = new Map(before.scopes);
  for (const directive of text.split(',').map((part) => part.trim())) {
    const { scope, word } = splitDirective(directive);
    const level = asLevel(word);
    if (level === undefined || scope === '') return { kind: 'invalid', directive };
    if (scope === undefined) fallback = level;
    else scopes.set(withoutCrate(scope), level);
  }
  return { kind: 'valid', directives: { fallback, scopes } };
}

/** The level of the longest directive that is the scope or encloses it: `proxy` encloses `proxy::outbound`. */
export function levelOf({ fallback, scopes }: LevelDirectives, scope: string): LogLevel {
  const parts = withoutCrate(scope).split('::');
  for (let length = parts.length; length > 0; length--) {
    const level = scopes.get(parts.slice(0, length).join('::'));
    if (level !== undefined) return level;
  }
  return fallback;
}

export function writeDirectives({ fallback, scopes }: LevelDirectives): string {
  return [...[...scopes].map(([scope, level]) => `${scope}=${level}`), fallback].join(',');
}

/** `level`, `scope=level`, or `scope:level` as istioctl's help has it; a scope may be `proxy::outbound`. */
function splitDirective(directive: string): { readonly scope: string | undefined; readonly word: string } {
  const [, scope, word = directive] = /^([^=]*?)(?:=|(?<!:):(?!:))([^=:]*)$/.exec(directive) ?? [];
  return { scope, word };
}

/** istioctl's names for two of them. */
const otherNames: Readonly<Record<string, LogLevel>> = { warning: 'warn', critical: 'error' };

function asLevel(text: string): LogLevel | undefined {
  const name = text.toLowerCase();
  return logLevels.find((level) => level === name) ?? otherNames[name];
}

/** ztunnel's users write its module names. */
function withoutCrate(scope: string): string {
  return scope.replace(/^ztunnel::/, '');
}
