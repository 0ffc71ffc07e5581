// The command operators of access log formats (`%RESPONSE_CODE%`, `%REQ(X?Y)%` …) that Istio and Envoy document: compiled by name and argument.
// In: an operator's name and argument. Out: a function from log facts to its value, undefined where there is none. Source: waypoint-telemetry.md
// §6.1; Envoy's substitution_formatter.rst.

import { type LogOperator, type MakeOperator, type OperatorTable, required } from './log-operator.ts';
import { addressOperators } from './log-operators-addresses.ts';
import { measureOperators } from './log-operators-measures.ts';
import { messageOperators } from './log-operators-message.ts';
import { streamOperators } from './log-operators-stream.ts';

export type CompiledOperator =
  | { readonly kind: 'operator'; readonly evaluate: LogOperator }
  | { readonly kind: 'unknown'; readonly reason: string };

const operators: OperatorTable = {
  ...addressOperators,
  ...measureOperators,
  ...messageOperators,
  ...streamOperators,
  COALESCE: required(coalesce),
};

/** For tests: each must have a value that somebody has thought of. */
export const operatorNames: readonly string[] = Object.keys(operators).sort();

export function compileOperator(name: string, argument: string | undefined): CompiledOperator {
  const make: MakeOperator | undefined = Object.hasOwn(operators, name) ? operators[name] : undefined;
  if (make === undefined) return { kind: 'unknown', reason: `%${name}% is no operator` };
  const made = make(argument);
  if (typeof made !== 'string') return { kind: 'operator', evaluate: made };
  const shown = argument === undefined ? name : `${name}(${argument})`;
  return { kind: 'unknown', reason: `%${shown}% ${made}` };
}

/** `{"operators": ["NAME", {"command": "NAME", "param": "x", "max_length": 3}]}`: the first that has a value. */
function coalesce(json: string): LogOperator | string {
  const shape = 'takes {"operators": ["NAME", {"command": "NAME", "param": "…", "max_length": 10}]}';
  const parsed = parseJson(json);
  const listed = typeof parsed === 'object' && parsed !== null && 'operators' in parsed ? parsed.operators : undefined;
  if (!Array.isArray(listed) || listed.length === 0) return shape;
  const evaluators: LogOperator[] = [];
  for (const item of listed as readonly unknown[]) {
    const { command, param, max_length: length } = typeof item === 'string' ? { command: item } : { ...Object(item) };
    if (typeof command !== 'string' || command === 'COALESCE') return shape;
    const compiled = compileOperator(command, typeof param === 'string' ? param : undefined);
    if (compiled.kind === 'unknown') return compiled.reason;
    evaluators.push(typeof length === 'number' ? cut(compiled.evaluate, length) : compiled.evaluate);
  }
  return (facts) => {
    for (const evaluate of evaluators) {
      const value = evaluate(facts);
      if (value !== undefined && value !== '' && value !== '-') return value;
    }
    return undefined;
  };
}

function cut(evaluate: LogOperator, length: number): LogOperator {
  return (facts) => {
    const value = evaluate(facts);
    return typeof value === 'string' ? value.slice(0, length) : value;
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
