// Reads the HTTPRoutes and TCPRoutes of Gateway API that are for Services: which requests and connections go where, by weight. In: a
// Kubernetes object. Out: the routes, and problems that name object and field. Source: waypoint-telemetry.md §8.5.
import { Field, MalformedField } from '../../common/sources/field.ts';
import { type KubernetesObject, problemWith } from '../../common/sources/kubernetes-object.ts';
import type { ResourceProblem } from '../../common/sources/resource-problem.ts';
import type {
  HttpMatch,
  HttpRule,
  NamedMatch,
  RouteAction,
  RouteBackend,
  RouteResource,
  RouteTarget,
  TcpRule,
  TextMatch,
} from './route-rules.ts';
import { regexMatch } from './text-match.ts';
import type { ParsedRoute } from './virtual-service.ts';

const largestWeight = 1_000_000;
const ruleMembers = ['name', 'matches', 'backendRefs', 'filters'];
const backendMembers = ['group', 'kind', 'name', 'namespace', 'port', 'weight'];
/** Without these a client would get an answer that the rule does not give. */
const decisiveFilters = ['RequestRedirect', 'ExtensionRef', 'ExternalAuth'];

export function parseGatewayApiRoute(object: KubernetesObject): ParsedRoute {
  const spec = new Field('spec', object.spec);
  const problems: ResourceProblem[] = [];
  const { name, namespace, creationTimestamp } = object.metadata;
  const tell = (field: Field, message: string, remedy: string): void => {
    problems.push(problemWith(object, { severity: 'warning', field: field.path, message, remedy }));
  };
  try {
    const targets = spec
      .at('parentRefs')
      .items()
      .flatMap((parent) => targetOf(parent, namespace, tell));
    if (targets.length === 0) return { route: undefined, problems };
    const reader = new RuleReader(object, tell);
    const kind = object.kind === 'TCPRoute' ? 'TCPRoute' : 'HTTPRoute';
    const rules = spec.at('rules').items();
    const http = kind === 'HTTPRoute' ? rules.flatMap((rule, index) => reader.httpRules(rule, index)) : [];
    const tcp = kind === 'TCPRoute' ? rules.map((rule) => reader.tcpRule(rule)) : [];
    const route: RouteResource = { kind, name, namespace, creationTimestamp, exportTo: [], targets, http, tcp };
    return { route, problems };
  } catch (error) {
    if (!(error instanceof MalformedField)) throw error;
    const { path, message, remedy } = error;
    return { route: undefined, problems: [problemWith(object, { severity: 'error', field: path, message, remedy })] };
  }
}

type Tell = (field: Field, message: string, remedy: string) => void;

/** Gateways are served by others; a Service elsewhere is its own namespace's to route. */
function targetOf(parent: Field, namespace: string, tell: Tell): readonly RouteTarget[] {
  if (parent.at('kind').text() !== 'Service' || parent.at('group').text() !== '') return [];
  const there = parent.at('namespace').text() || namespace;
  if (there !== namespace) {
    tell(parent.at('namespace'), `is ${there}: routes for Services elsewhere change nothing`, `put the route there`);
    return [];
  }
  const port = parent.at('port');
  return [{ host: parent.at('name').requiredText(), namespace, port: port.isAbsent ? undefined : port.requiredPort() }];
}

class RuleReader {
  readonly #namespace: string;
  readonly #name: string;
  readonly #tell: Tell;

  constructor({ metadata }: KubernetesObject, tell: Tell) {
    this.#namespace = metadata.namespace;
    this.#name = metadata.name;
    this.#tell = tell;
  }

  /** One for each match: each has a rank of its own. */
  httpRules(rule: Field, index: number): readonly HttpRule[] {
    const name = rule.at('name').text() || `${this.#namespace}.${this.#name}.${index}`;
    const action = this.#httpAction(rule);
    const matches = rule.at('matches').items();
    if (matches.length === 0) return [{ name, matches: undefined, action, rank: rankOf(undefined) }];
    return matches.map((match) => {
      const read = parseMatch(match);
      return { name, matches: [read], action, rank: rankOf(read) };
    });
  }

  tcpRule(rule: Field): TcpRule {
    return { ports: undefined, action: this.#forward(rule.at('backendRefs')) };
  }

  #httpAction(rule: Field): RouteAction {
    for (const [key, member] of rule.entries()) {
      if (!ruleMembers.includes(key)) this.#notServed(member, 'requests are routed without it');
    }
    for (const filter of rule.at('filters').items()) {
      const type = filter.at('type').requiredText();
      const decides = decisiveFilters.includes(type);
      const consequence = decides ? 'its requests are refused with 500' : 'requests are routed without it';
      this.#notServed(filter, `${type}: ${consequence}`);
      if (decides) return { kind: 'refuse', detail: `${filter.path} (${type}) is not served` };
    }
    return this.#forward(rule.at('backendRefs'));
  }

  #forward(references: Field): RouteAction {
    const backends = references.items().map((reference) => this.#backend(reference));
    if (backends.length === 0) return { kind: 'refuse', detail: `${references.path} names no backend` };
    return { kind: 'forward', backends };
  }

  #backend(reference: Field): RouteBackend {
    for (const [key, member] of reference.entries()) {
      if (!backendMembers.includes(key)) this.#notServed(member, 'requests are routed without it');
    }
    const weight = reference.at('weight').number(0, largestWeight) ?? 1;
    const kind = reference.at('kind').text() || 'Service';
    const namespace = reference.at('namespace').text() || this.#namespace;
    if (kind !== 'Service' || reference.at('group').text() !== '' || namespace !== this.#namespace) {
      const what = kind === 'Service' ? `a Service of namespace ${namespace}` : `of kind ${kind}`;
      this.#notServed(reference, `it is ${what}; its share of requests is refused with 500`);
      return { kind: 'invalid', detail: `${reference.path} is ${what}`, weight };
    }
    const port = reference.at('port');
    return {
      kind: 'service',
      host: reference.at('name').requiredText(),
      namespace,
      port: port.isAbsent ? undefined : port.requiredPort(),
      subset: undefined,
      statusWhenMissing: 500,
      weight,
    };
  }

  #notServed(field: Field, consequence: string): void {
    this.#tell(field, 'is not served by waypoints here', consequence);
  }
}

function parseMatch(match: Field): HttpMatch {
  match.onlyMembers(['path', 'headers', 'queryParams', 'method']);
  const method = match.at('method');
  return {
    path: pathMatch(match.at('path')),
    method: method.isAbsent ? undefined : { kind: 'exact', text: method.text(), letters: 'as-written' },
    authority: undefined,
    scheme: undefined,
    port: undefined,
    headers: namedMatches(match.at('headers'), (name) => name.toLowerCase()),
    withoutHeaders: [],
    query: namedMatches(match.at('queryParams'), (name) => name),
  };
}

function pathMatch(path: Field): TextMatch | undefined {
  if (path.isAbsent) return undefined;
  const type = path.at('type').oneOf(['Exact', 'PathPrefix', 'RegularExpression']) ?? 'PathPrefix';
  if (type === 'RegularExpression') return regexMatch(path.at('value'));
  const text = path.at('value').text() || '/';
  return type === 'Exact' ? { kind: 'exact', text, letters: 'as-written' } : { kind: 'path-prefix', text };
}

/** Of entries with the same name the first counts. */
function namedMatches(list: Field, nameOf: (name: string) => string): readonly NamedMatch[] {
  const matches = new Map<string, NamedMatch>();
  for (const entry of list.items()) {
    const name = nameOf(entry.at('name').requiredText());
    if (matches.has(name)) continue;
    const isRegex = entry.at('type').oneOf(['Exact', 'RegularExpression']) === 'RegularExpression';
    const value: TextMatch = isRegex
      ? regexMatch(entry.at('value'))
      : { kind: 'exact', text: entry.at('value').text(), letters: 'as-written' };
    matches.set(name, { name, value });
  }
  return [...matches.values()];
}

/** Exact path, prefix by its length, regular expression, none; then method; then how many headers and parameters. */
function rankOf(match: HttpMatch | undefined): readonly number[] {
  const path = match?.path;
  const kinds = { exact: 3, prefix: 2, 'path-prefix': 2, regex: 1, present: 0 } as const;
  const length = path !== undefined && 'text' in path ? path.text.length : 0;
  // No path is the prefix "/".
  const [kind, size] = path === undefined ? [kinds['path-prefix'], 1] : [kinds[path.kind], length];
  return [kind, size, match?.method === undefined ? 0 : 1, match?.headers.length ?? 0, match?.query.length ?? 0];
}
