// Reads Istio's StringMatch, and regular expressions that users write: they run in linear time (RE2, the engine of CEL's `matches`).
// In: a field. Out: what a text is compared with. Source: waypoint-telemetry.md §8.2.
import { compileExpression } from '../../common/expressions/expression.ts';
import type { Field } from '../../common/sources/field.ts';
import type { NamedMatch, TextMatch } from './route-rules.ts';

const present: TextMatch = { kind: 'present' };

/** `{exact | prefix | regex}`; empty, or the regex `*`: it is there. @throws MalformedField */
export function parseStringMatch(match: Field, letters: 'as-written' | 'any-case' = 'as-written'): TextMatch {
  match.onlyMembers(['exact', 'prefix', 'regex']);
  const [first, ...others] = match.entries();
  if (first === undefined) return present;
  if (others.length > 0) throw match.malformed('one of exact, prefix and regex', 'keep one of them');
  const [kind, text] = first;
  if (kind === 'regex') return text.text() === '*' ? present : regexMatch(text);
  return { kind: kind === 'exact' ? 'exact' : 'prefix', text: text.text(), letters };
}

/** The whole text must match. @throws MalformedField */
export function regexMatch(pattern: Field): TextMatch {
  const whole = JSON.stringify(`^(?:${pattern.requiredText()})$`);
  const expression = compileExpression(`text.matches(${whole})`);
  if (expression.kind === 'invalid') {
    throw pattern.malformed(`a regular expression (${expression.reason})`, 'write it in the syntax of RE2');
  }
  return {
    kind: 'regex',
    holdsFor(text) {
      const outcome = expression.evaluate({ text });
      return outcome.kind === 'value' && outcome.value === true;
    },
  };
}

/** A mapping of names to StringMatches. */
export function parseNamedMatches(matches: Field, nameOf: (name: string) => string): readonly NamedMatch[] {
  return matches.entries().map(([name, match]) => ({ name: nameOf(name), value: parseStringMatch(match) }));
}
