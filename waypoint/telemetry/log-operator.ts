// What a command operator of an access log format is: made from its argument, a function from log facts to a value.
import type { LogFacts } from './log-facts.ts';

/** Undefined where there is none. */
export type LogValue = string | number | boolean | undefined;
export type LogOperator = (facts: LogFacts) => LogValue;

/** @param argument undefined where there are no parentheses. A text says what is wrong with it. */
export type MakeOperator = (argument: string | undefined) => LogOperator | string;

export type OperatorTable = Readonly<Record<string, MakeOperator>>;

/** Without an argument. */
export function plain(evaluate: LogOperator): MakeOperator {
  return (argument) => (argument === undefined ? evaluate : 'takes no argument');
}

/** With one, or not. */
export function optional(make: (argument: string) => LogOperator | string): MakeOperator {
  return (argument) => make(argument ?? '');
}

export function required(make: (argument: string) => LogOperator | string): MakeOperator {
  return (argument) => (argument === undefined ? 'needs an argument' : make(argument));
}

/** Documented, and nothing that a waypoint could tell. */
export const absent: MakeOperator = () => () => undefined;

/** As `absent`, of a number. */
export const zero: MakeOperator = () => () => 0;
