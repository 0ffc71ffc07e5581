// Reads a WasmPlugin: attributegen is recognised by its module and runs natively; other modules are not run, and that is said once.
// In: a Kubernetes object. Out: the plugin, and problems that name object and expression. Source: waypoint-telemetry.md §3.1, §3.2, §3.5.
import { compileExpression } from '../../common/expressions/expression.ts';
import { Field, MalformedField } from '../../common/sources/field.ts';
import { type KubernetesObject, problemWith } from '../../common/sources/kubernetes-object.ts';
import type { ResourceProblem } from '../../common/sources/resource-problem.ts';
import type { AttributeGenerator, GeneratorMatch } from '../attributegen/attribute-generator.ts';
import { type Attachment, attachesTo, parseAttachment, type WaypointTraffic } from './attachment.ts';

export interface WasmPlugin {
  readonly name: string;
  readonly namespace: string;
  readonly attachment: Attachment;
  /** Ports it is limited to; undefined: all. Only traffic that a server sees is a waypoint's. */
  readonly ports: readonly number[] | undefined;
  /** Order: phase, then priority (higher first), then name and namespace. */
  readonly phase: number;
  readonly priority: number;
  readonly generators: readonly AttributeGenerator[];
}

export interface ParsedWasmPlugin {
  /** Undefined when there is nothing to run. */
  readonly plugin: WasmPlugin | undefined;
  readonly problems: readonly ResourceProblem[];
}

const phases = ['AUTHN', 'AUTHZ', 'STATS', 'UNSPECIFIED_PHASE'] as const;
const attributegenUrl = /(^|\/)attributegen([-_.][^/]*)?\.wasm$|(^|\/)attributegen(:[^/]*)?(@[^/]*)?$/;
const attributegenNames = new Set(['attributegen', 'envoy.wasm.attributegen']);

export function parseWasmPlugin(object: KubernetesObject): ParsedWasmPlugin {
  const spec = new Field('spec', object.spec);
  try {
    const url = spec.at('url').requiredText();
    const config = spec.at('pluginConfig');
    if (!isAttributegen(url, spec.at('pluginName').text())) return notRun(object, url);
    const generators = parseGenerators(config);
    return { plugin: pluginOf(object, spec, generators), problems: [] };
  } catch (error) {
    if (!(error instanceof MalformedField)) throw error;
    const { path, message, remedy } = error;
    return { plugin: undefined, problems: [problemWith(object, { severity: 'error', field: path, message, remedy })] };
  }
}

/** The generators that see traffic to this port, in the order in which they run. */
export function generatorsFor(
  plugins: readonly WasmPlugin[],
  traffic: WaypointTraffic,
  port: number,
): readonly AttributeGenerator[] {
  return plugins
    .filter(({ attachment, namespace, ports }) => {
      const attaches = attachment.kind === 'targets' && attachesTo(attachment.targets, namespace, traffic);
      return attaches && (ports === undefined || ports.includes(port));
    })
    .sort(inRunOrder)
    .flatMap(({ generators }) => generators);
}

function inRunOrder(a: WasmPlugin, b: WasmPlugin): number {
  const byRank = a.phase - b.phase || b.priority - a.priority;
  return byRank || compareText(a.name, b.name) || compareText(a.namespace, b.namespace);
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

function isAttributegen(url: string, pluginName: string): boolean {
  const path = url.split(/[?#]/, 1)[0] ?? '';
  return attributegenNames.has(pluginName) || attributegenUrl.test(path);
}

function notRun(object: KubernetesObject, url: string): ParsedWasmPlugin {
  const problem = problemWith(object, {
    severity: 'warning',
    field: 'spec.url',
    message: `is ${url}: WebAssembly modules are not run, so traffic passes as if this one were not there`,
    remedy: 'only attributegen is understood (and runs without its module); express the rest as Istio resources',
  });
  return { plugin: undefined, problems: [problem] };
}

/** Undefined when `match` leaves no traffic of a waypoint. */
function pluginOf(
  object: KubernetesObject,
  spec: Field,
  generators: readonly AttributeGenerator[],
): WasmPlugin | undefined {
  const { name, namespace } = object.metadata;
  const matches = spec.at('match').items();
  const serverSide = matches.filter((match) => match.at('mode').text() !== 'CLIENT');
  if (matches.length > 0 && serverSide.length === 0) return undefined;
  const portLists = serverSide.map((match) =>
    match
      .at('ports')
      .items()
      .map((port) => port.at('number').requiredPort()),
  );
  const isLimited = portLists.length > 0 && portLists.every((list) => list.length > 0);
  return {
    name,
    namespace,
    attachment: parseAttachment(spec, namespace),
    ports: isLimited ? portLists.flat() : undefined,
    phase: phases.indexOf(spec.at('phase').oneOf(phases) ?? 'UNSPECIFIED_PHASE'),
    priority: spec.at('priority').number(-(2 ** 31), 2 ** 31 - 1) ?? 0,
    generators,
  };
}

/** One condition that does not compile discards all, as the plugin does; traffic goes on. @throws MalformedField */
function parseGenerators(config: Field): readonly AttributeGenerator[] {
  return config
    .at('attributes')
    .items()
    .map((attribute) => {
      const name = either(attribute, 'output_attribute', 'outputAttribute');
      return {
        outputAttribute: name.requiredText(),
        phase: attribute.at('phase').text() === 'ON_REQUEST' ? 'request' : 'response',
        matches: attribute.at('match').items().map(parseMatch),
      };
    });
}

function parseMatch(match: Field): GeneratorMatch {
  const condition = match.at('condition');
  const value = match.at('value').text();
  const text = condition.text().trim();
  if (text === '') return { condition: undefined, value };
  const expression = compileExpression(text);
  if (expression.kind === 'invalid') {
    throw new MalformedField(
      condition.path,
      `does not compile: ${text}: ${expression.reason}`,
      'mend the CEL expression',
    );
  }
  return { condition: expression, value };
}

/** The plugin reads protobuf JSON, which takes both spellings. */
function either(field: Field, snakeCase: string, camelCase: string): Field {
  const first = field.at(snakeCase);
  return first.isAbsent ? field.at(camelCase) : first;
}
