// Which labels a metric has once Telemetry's tag changes are applied, resolved once per configuration. In: standard names, changes.
// Out: label names, and for each the place of its value in the vector [standard values…, expression values…]. Source: waypoint-telemetry.md §1.15.
import type { Attributes, Expression } from '../../common/expressions/expression.ts';
import { textOf } from '../../common/expressions/value-text.ts';
import type { MetricChanges } from '../resources/metrics-configuration.ts';
import { httpLabelNames } from './waypoint-labels.ts';

export interface LabelPlan {
  readonly names: readonly string[];
  /** Index into the vector, for each name. */
  readonly picks: readonly number[];
}

/** The expressions of all metrics of one kind of traffic, each once. */
export class ExpressionList {
  readonly #expressions: Extract<Expression, { kind: 'compiled' }>[] = [];
  readonly #standardCount: number;

  constructor(standardCount: number) {
    this.#standardCount = standardCount;
  }

  get size(): number {
    return this.#expressions.length;
  }

  /** Place of its value in the vector. */
  indexOf(expression: Extract<Expression, { kind: 'compiled' }>): number {
    let index = this.#expressions.findIndex(({ text }) => text === expression.text);
    if (index < 0) index = this.#expressions.push(expression) - 1;
    return this.#standardCount + index;
  }

  /** An evaluation that fails is `unknown`. */
  evaluate(attributes: Attributes): string[] {
    return this.#expressions.map((expression) => {
      const outcome = expression.evaluate(attributes);
      return outcome.kind === 'failed' ? 'unknown' : (textOf(outcome.value) ?? 'unknown');
    });
  }
}

const standardTags: ReadonlySet<string> = new Set(httpLabelNames);

/** Undefined: the metric is not emitted. */
export function planLabels(
  standardNames: readonly string[],
  changes: MetricChanges | undefined,
  expressions: ExpressionList,
): LabelPlan | undefined {
  if (changes?.emission === 'dropped') return undefined;
  const names: string[] = [];
  const picks: number[] = [];
  const add = (name: string, pick: number): void => {
    names.push(name);
    picks.push(pick);
  };
  for (const [index, name] of standardNames.entries()) {
    const change = changes?.tags.get(name);
    if (change === undefined) add(name, index);
    else if (change.kind === 'upsert' && change.expression.kind === 'compiled') {
      add(name, expressions.indexOf(change.expression));
    }
  }
  for (const [tag, change] of changes?.tags ?? []) {
    const name = labelNameOf(tag);
    if (standardTags.has(tag) || names.includes(name)) continue;
    if (change.kind === 'upsert' && change.expression.kind === 'compiled')
      add(name, expressions.indexOf(change.expression));
  }
  return { names, picks };
}

export function pickValues(plan: LabelPlan, vector: readonly string[]): string[] {
  return plan.picks.map((index) => vector[index] ?? 'unknown');
}

/** As Envoy: what Prometheus does not allow in a name becomes an underscore. */
function labelNameOf(tag: string): string {
  const name = tag.replace(/[^a-zA-Z0-9_]/g, '_');
  return /^[0-9]/.test(name) ? `_${name}` : name;
}
