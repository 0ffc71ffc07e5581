// Compiles a CEL expression once and evaluates it per request. In: text, and attributes by their Envoy names (`request`,
// `filter_state` …). Out: a value, or why there is none; what that means is the caller's business (a tag becomes `unknown`, a
// generator stops). Never throws. Source: waypoint-telemetry.md §4; `matches` searches unanchored in linear time (RE2).
import {
  type CelFunc,
  CelScalar,
  type CelValue,
  celEnv,
  celFunc,
  celMethod,
  isCelError,
  parse,
  plan,
} from '@bufbuild/cel';
import type { AttributeValue } from './attribute-map.ts';
import { findLiteralRegexes } from './literal-regexes.ts';

/** Top-level identifiers; getters make them lazy. A name that is absent gives a failed evaluation, not an error. */
export type Attributes = object;

export type Value = CelValue;

export type Outcome =
  | { readonly kind: 'value'; readonly value: Value }
  | { readonly kind: 'failed'; readonly reason: string };

export type Expression =
  | { readonly kind: 'compiled'; readonly text: string; evaluate(attributes: Attributes): Outcome }
  | { readonly kind: 'invalid'; readonly text: string; readonly reason: string };

/** cel-cpp's limit on the source of an expression. */
const maxSourceCodePoints = 100_000;

/** Answers of `matches` that are remembered: request paths repeat, and a regex is compiled anew each time it is asked. */
const maxRememberedMatches = 4096;

const { BOOL, STRING } = CelScalar;
const standardMatches = celEnv().funcs.find('matches');
const rememberedMatches = new Map<string, boolean>();

function matches(text: string, pattern: string): boolean {
  const key = `${pattern.length}:${pattern}${text}`;
  const remembered = rememberedMatches.get(key);
  if (remembered !== undefined) return remembered;
  const answer = standardMatches?.call(0, text, [pattern]);
  if (isCelError(answer)) throw answer;
  if (rememberedMatches.size >= maxRememberedMatches) rememberedMatches.clear();
  rememberedMatches.set(key, answer === true);
  return answer === true;
}

const functions: CelFunc[] = [
  celMethod('matches', STRING, [STRING], BOOL, function (pattern) {
    return matches(this, pattern);
  }),
  celFunc('matches', [STRING, STRING], BOOL, matches),
];

const environment = celEnv({ funcs: functions });

/** `invalid` when the text is no CEL, or holds a literal regular expression that does not parse. */
export function compileExpression(text: string): Expression {
  const invalid = (reason: string): Expression => ({ kind: 'invalid', text, reason });
  if (text.length > maxSourceCodePoints) return invalid(`longer than ${maxSourceCodePoints} characters`);
  try {
    const parsed = parse(text);
    for (const pattern of findLiteralRegexes(parsed.expr)) matches('', pattern);
    const program = plan(environment, parsed);
    return { kind: 'compiled', text, evaluate: (attributes) => evaluate(program, attributes) };
  } catch (error) {
    return invalid(error instanceof Error ? error.message.replaceAll('\n', ' ') : String(error));
  }
}

type Program = (attributes: Record<string, AttributeValue>) => ReturnType<ReturnType<typeof plan>>;

function evaluate(program: ReturnType<typeof plan>, attributes: Attributes): Outcome {
  // A failed evaluation is an ordinary answer ("no such key") and its stack is never shown: capturing it costs more than all the rest.
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  try {
    const result = (program as Program)(attributes as Record<string, AttributeValue>);
    return isCelError(result) ? { kind: 'failed', reason: result.message } : { kind: 'value', value: result };
  } catch (error) {
    return { kind: 'failed', reason: error instanceof Error ? error.message : String(error) };
  } finally {
    Error.stackTraceLimit = limit;
  }
}
