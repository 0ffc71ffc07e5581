// Label selectors as Kubernetes has them: labels that must be equal, and expressions (In, NotIn, Exists, DoesNotExist).
// Reads one from an object and says whether labels match it; an empty selector matches everything.
import type { Field } from '../field.ts';

export type Labels = Readonly<Record<string, string>>;

export interface LabelSelector {
  readonly matchLabels: Labels;
  readonly matchExpressions: readonly LabelExpression[];
}

interface LabelExpression {
  readonly key: string;
  readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist';
  readonly values: readonly string[];
}

/** @throws MalformedField */
export function parseLabelSelector(field: Field): LabelSelector {
  return {
    matchLabels: field.at('matchLabels').textMap(),
    matchExpressions: field
      .at('matchExpressions')
      .items()
      .map((item) => ({
        key: item.at('key').requiredText(),
        operator: requiredOperator(item.at('operator')),
        values: item.at('values').texts(),
      })),
  };
}

export function matchesSelector(selector: LabelSelector, labels: Labels): boolean {
  return (
    isSubset(selector.matchLabels, labels) &&
    selector.matchExpressions.every((expression) => matchesExpression(expression, labels))
  );
}

/** Whether each of the wanted labels is among the labels, with the same value. */
export function isSubset(wanted: Labels, labels: Labels): boolean {
  for (const key in wanted) if (!Object.hasOwn(labels, key) || labels[key] !== wanted[key]) return false;
  return true;
}

function matchesExpression({ key, operator, values }: LabelExpression, labels: Labels): boolean {
  const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
  if (operator === 'Exists') return value !== undefined;
  if (operator === 'DoesNotExist') return value === undefined;
  const isListed = value !== undefined && values.includes(value);
  return operator === 'In' ? isListed : !isListed;
}

function requiredOperator(field: Field): LabelExpression['operator'] {
  const operator = field.oneOf(['In', 'NotIn', 'Exists', 'DoesNotExist'] as const);
  if (operator === undefined) throw field.malformed('an operator', 'write In, NotIn, Exists or DoesNotExist');
  return operator;
}
