// Reads typed values from a record of texts (the environment) and collects every problem instead of stopping at the
// first, so that a user sees them all at once. In: the record. Out: values (the default where one is bad), problems.
import { parseDurationMs } from './duration.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

export interface IntegerRange {
  readonly min: number;
  readonly max: number;
}

/** An empty variable counts as absent. After a problem the default is returned; check `problems` before using values. */
export interface EnvReader {
  text(name: string): string | undefined;
  text(name: string, fallback: string): string;
  /** Exactly `true` or `false`. */
  flag(name: string, fallback: boolean): boolean;
  /** Undefined when absent: for settings that default to "as possible". */
  optionalFlag(name: string): boolean | undefined;
  integer(name: string, fallback: number, range: IntegerRange): number;
  optionalInteger(name: string, range: IntegerRange): number | undefined;
  /** 1 to 65535. */
  port(name: string, fallback: number): number;
  durationMs(name: string, fallback: number): number;
  optionalDurationMs(name: string): number | undefined;
  choice<T extends string>(name: string, choices: readonly T[], fallback: T): T;
  /** Variables whose name starts with the prefix, by the rest of their name. */
  withPrefix(prefix: string): ReadonlyMap<string, string>;
  /** Adds a problem that only the caller can see (a missing companion, a malformed list …). */
  problem(message: string): void;
  readonly problems: readonly string[];
}

const longestShown = 80;

export function createEnvReader(env: Environment): EnvReader {
  const problems: string[] = [];
  const raw = (name: string): string | undefined => env[name] || undefined;

  function parsed<T>(name: string, parse: (text: string) => T | undefined, expected: string): T | undefined {
    const text = raw(name);
    if (text === undefined) return undefined;
    const value = parse(text);
    if (value === undefined) problems.push(`invalid env var ${name}=${shorten(text)}: expected ${expected}`);
    return value;
  }
  const flagOf = (name: string): boolean | undefined => parsed(name, parseFlag, 'true or false');
  const durationOf = (name: string): number | undefined =>
    parsed(name, parseDurationMs, 'a duration such as 10s, 5m or 1h30m');
  const integerOf = (name: string, { min, max }: IntegerRange): number | undefined =>
    parsed(name, (text) => parseInteger(text, min, max), `a whole number from ${min} to ${max}`);

  function text(name: string): string | undefined;
  function text(name: string, fallback: string): string;
  function text(name: string, fallback?: string): string | undefined {
    return raw(name) ?? fallback;
  }

  return {
    text,
    flag: (name, fallback) => flagOf(name) ?? fallback,
    optionalFlag: flagOf,
    integer: (name, fallback, range) => integerOf(name, range) ?? fallback,
    optionalInteger: integerOf,
    port: (name, fallback) => integerOf(name, { min: 1, max: 65_535 }) ?? fallback,
    durationMs: (name, fallback) => durationOf(name) ?? fallback,
    optionalDurationMs: durationOf,
    choice: (name, choices, fallback) =>
      parsed(name, (value) => choices.find((choice) => choice === value), `one of ${choices.join(', ')}`) ?? fallback,
    withPrefix: (prefix) =>
      new Map(
        Object.entries(env).flatMap(([name, value]) =>
          name.startsWith(prefix) && name.length > prefix.length && value !== undefined
            ? [[name.slice(prefix.length), value] as const]
            : [],
        ),
      ),
    problem: (message) => void problems.push(message),
    problems,
  };
}

function parseFlag(text: string): boolean | undefined {
  if (text === 'true') return true;
  return text === 'false' ? false : undefined;
}

function parseInteger(text: string, min: number, max: number): number | undefined {
  if (!/^(0|[1-9]\d{0,15})$/.test(text)) return undefined;
  const value = Number(text);
  return value >= min && value <= max ? value : undefined;
}

function shorten(text: string): string {
  return text.length <= longestShown ? text : `${text.slice(0, longestShown)}…`;
}
