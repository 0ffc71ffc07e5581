// Mixer-era manifests: `metric` (or `instance`), `prometheus` (or `handler`) and `rule` of config.istio.io/v1alpha2. In: Kubernetes objects. Out: rules
// with everything they name resolved and compiled, and problems that name object and field. Source: waypoint-telemetry.md §7.1, §7.4, §7.5.
import { Field, MalformedField } from '../../common/sources/field.ts';
import { apiGroup, type KubernetesObject, problemWith } from '../../common/sources/kubernetes-object.ts';
import type { ResourceProblem } from '../../common/sources/resource-problem.ts';
import type { MetricDefinition } from '../../common/telemetry/recorder.ts';
import { compileMixerExpression, type Expression } from './expression.ts';

export interface MixerMetric {
  readonly definition: MetricDefinition;
  readonly value: Expression;
  /** In the order of the definition's labels. */
  readonly dimensions: readonly Expression[];
}

export interface MixerRule {
  readonly namespace: string;
  readonly name: string;
  /** Undefined: always. */
  readonly match: Expression | undefined;
  readonly metrics: readonly MixerMetric[];
}

export interface MixerRules {
  readonly rules: readonly MixerRule[];
  readonly problems: readonly ResourceProblem[];
}

interface Instance {
  readonly value: Expression;
  readonly dimensions: ReadonlyMap<string, Expression>;
}

const defaultBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const oneOfKinds = ['COUNTER', 'DISTRIBUTION'] as const;

export function readMixerRules(objects: readonly KubernetesObject[]): MixerRules {
  const problems: ResourceProblem[] = [];
  const ours = objects.filter((object) => apiGroup(object) === 'config.istio.io');
  const read = <T>(kinds: readonly string[], parse: (spec: Field, object: KubernetesObject) => T): [string, T][] =>
    ours.flatMap((object): [string, T][] => {
      if (!kinds.includes(object.kind)) return [];
      try {
        const { name, namespace } = object.metadata;
        return [[`${name}.${object.kind}.${namespace}`, parse(new Field('spec', object.spec), object)]];
      } catch (error) {
        if (!(error instanceof MalformedField)) throw error;
        const { path, message, remedy } = error;
        problems.push(problemWith(object, { severity: 'error', field: path, message, remedy }));
        return [];
      }
    });
  const instances = new Map(read(['metric', 'instance'], parseInstance));
  const handlers = new Map(
    read(['prometheus', 'handler'], (spec, { metadata }) => parseHandler(spec, metadata.namespace, instances)),
  );
  const rules = read(['rule'], (spec, { metadata }) => parseRule(spec, metadata, handlers));
  return { rules: rules.map(([, rule]) => rule), problems };
}

/** `instance` has its fields in `params`, and must be of the template `metric`. */
function parseInstance(spec: Field): Instance {
  const isGeneric = !spec.at('compiledTemplate').isAbsent;
  if (isGeneric) spec.at('compiledTemplate').oneOf(['metric']);
  const params = isGeneric ? spec.at('params') : spec;
  const value = compile(params.at('value'));
  if (value.type === 'bool' || value.type === 'map') throw params.at('value').malformed('a number', 'count something');
  const dimensions = params.at('dimensions').entries();
  return { value, dimensions: new Map(dimensions.map(([name, field]) => [name, compileDimension(field)])) };
}

/** Metrics by the full name of their instance. */
function parseHandler(
  spec: Field,
  namespace: string,
  instances: ReadonlyMap<string, Instance>,
): ReadonlyMap<string, MixerMetric> {
  const isGeneric = !spec.at('compiledAdapter').isAbsent;
  if (isGeneric) spec.at('compiledAdapter').oneOf(['prometheus']);
  const metrics = new Map<string, MixerMetric>();
  for (const metric of (isGeneric ? spec.at('params') : spec).at('metrics').items()) {
    const named = metric.at('instance_name');
    const fullName = complete(named.requiredText(), namespace, instances);
    const instance = instances.get(fullName);
    if (instance === undefined) throw named.malformed('the name of a metric that exists', 'add the metric');
    const definition = definitionOf(metric);
    const labels = metric.at('label_names').texts();
    const isSame =
      labels.length === instance.dimensions.size && labels.every((label) => instance.dimensions.has(label));
    if (!isSame) {
      const dimensions = [...instance.dimensions.keys()].join(', ');
      throw metric.at('label_names').malformed(`the dimensions of the metric (${dimensions})`, 'name all of them');
    }
    const dimensionsInOrder = labels.flatMap((label) => instance.dimensions.get(label) ?? []);
    metrics.set(fullName, { definition, value: instance.value, dimensions: dimensionsInOrder });
  }
  return metrics;
}

function definitionOf(metric: Field): MetricDefinition {
  const kind = metric.at('kind').oneOf(oneOfKinds);
  if (kind === undefined) throw metric.at('kind').malformed(oneOfKinds.join(' or '), 'name the kind of the metric');
  const name = sanitize(metric.at('name').text() || metric.at('instance_name').text());
  const labelNames = metric.at('label_names').texts().map(sanitize);
  const full = `${sanitize(metric.at('namespace').text() || 'istio')}_${name}`;
  const help = metric.at('description').text() || `${name}, as Mixer's rules define it (unstable)`;
  if (kind === 'COUNTER') return { name: full, help, kind: 'counter', labelNames };
  return { name: full, help, kind: 'histogram', labelNames, buckets: bucketsOf(metric.at('buckets')) };
}

function bucketsOf(buckets: Field): readonly number[] {
  if (buckets.isAbsent) return defaultBuckets;
  const bounds = buckets.at('explicit_buckets').at('bounds').items();
  const numbers = bounds.flatMap(({ value }) => (typeof value === 'number' ? [value] : []));
  if (numbers.length === 0 || numbers.length < bounds.length) {
    throw buckets.malformed('explicit_buckets with bounds', 'write the bounds as numbers');
  }
  return numbers.toSorted((a, b) => a - b);
}

function parseRule(
  spec: Field,
  { name, namespace }: KubernetesObject['metadata'],
  handlers: ReadonlyMap<string, ReadonlyMap<string, MixerMetric>>,
): MixerRule {
  const text = spec.at('match');
  const match = text.text().trim() === '' ? undefined : compile(text);
  if (match !== undefined && match.type !== 'bool') throw text.malformed('a condition', 'compare something');
  const metrics = spec
    .at('actions')
    .items()
    .flatMap((action) => {
      const named = action.at('handler');
      const handler = handlers.get(complete(named.requiredText(), namespace, handlers));
      if (handler === undefined) throw named.malformed('a prometheus handler that exists', 'add it, or mend it');
      return action
        .at('instances')
        .items()
        .map((instance) => {
          const metric = handler.get(complete(instance.requiredText(), namespace, handler));
          if (metric === undefined) throw instance.malformed('a metric of that handler', 'name it in the handler');
          return metric;
        });
    });
  return { namespace, name, match, metrics };
}

/** `name`, `name.kind` and `name.kind.namespace` mean the same in the namespace. */
function complete(text: string, namespace: string, known: ReadonlyMap<string, unknown>): string {
  const [name = '', kind, ...rest] = text.split('.');
  if (rest.length > 0) return text;
  if (kind !== undefined) return `${name}.${kind}.${namespace}`;
  const kinds = ['metric', 'instance', 'prometheus', 'handler'];
  return kinds.map((one) => `${name}.${one}.${namespace}`).find((full) => known.has(full)) ?? text;
}

function compileDimension(field: Field): Expression {
  const dimension = compile(field);
  if (dimension.type === 'map') throw field.malformed('one value', 'pick a key: labels["version"]');
  return dimension;
}

function compile(field: Field): Expression {
  const text = typeof field.value === 'number' ? String(field.value) : field.requiredText();
  try {
    return compileMixerExpression(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new MalformedField(field.path, `is no expression of Mixer: ${text}: ${reason}`, 'mend the expression');
  }
}

function sanitize(name: string): string {
  return name.replace(/^\//, '').replace(/[/. ]/g, '_').replaceAll('-', '');
}
