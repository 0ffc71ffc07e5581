// Istio's attributegen plugin without Wasm: conditions over a finished request give it a name, e.g. `istio_operationId`.
// In: generators and the request's attributes. Out: what they set in the filter state. Source: waypoint-telemetry.md §3.2.
import type { Attributes, Expression } from '../../common/expressions/expression.ts';

export interface GeneratorMatch {
  /** Undefined matches always. */
  readonly condition: Extract<Expression, { kind: 'compiled' }> | undefined;
  readonly value: string;
}

export interface AttributeGenerator {
  readonly outputAttribute: string;
  /** `request`: response attributes do not exist yet. */
  readonly phase: 'request' | 'response';
  readonly matches: readonly GeneratorMatch[];
}

/** Key of a generated attribute in the filter state. */
export function filterStateKey(outputAttribute: string): string {
  return `wasm.${outputAttribute}`;
}

/**
 * Sets what the generators find in `filterState`; the last writer of a key wins.
 * @param attributesOf those of a phase; the second phase sees what the first has set, if `filterState` is among them
 * @returns how many generators stopped at a condition that failed or was not boolean
 */
export function generateAttributes(
  generators: readonly AttributeGenerator[],
  attributesOf: (phase: AttributeGenerator['phase']) => Attributes,
  filterState: Map<string, string>,
): number {
  let failures = 0;
  for (const phase of ['request', 'response'] as const) {
    for (const generator of generators) {
      if (generator.phase !== phase) continue;
      const found = findMatch(generator, attributesOf(phase));
      if (found === 'failed') failures += 1;
      else if (found !== 'none') filterState.set(filterStateKey(generator.outputAttribute), found.value);
    }
  }
  return failures;
}

/** The first condition that is true decides; one that fails ends the search (later ones are not tried). */
function findMatch(generator: AttributeGenerator, attributes: Attributes): GeneratorMatch | 'none' | 'failed' {
  for (const match of generator.matches) {
    if (match.condition === undefined) return match;
    const outcome = match.condition.evaluate(attributes);
    if (outcome.kind === 'failed' || typeof outcome.value !== 'boolean') return 'failed';
    if (outcome.value) return match;
  }
  return 'none';
}
