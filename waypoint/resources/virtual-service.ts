// Reads a VirtualService: which requests and connections of its hosts go where, by weight and subset. In: a Kubernetes object. Out: the
// routes, and problems that name object and field; what is not served is told, each field once. Source: waypoint-telemetry.md §8.2, §8.3.
import { Field, MalformedField } from '../../common/sources/field.ts';
import { type KubernetesObject, problemWith } from '../../common/sources/kubernetes-object.ts';
import type { ResourceProblem } from '../../common/sources/resource-problem.ts';
import type { HttpMatch, HttpRule, RouteAction, RouteBackend, RouteResource, TcpRule } from './route-rules.ts';
import { parseNamedMatches, parseStringMatch } from './text-match.ts';

export interface ParsedRoute {
  readonly route: RouteResource | undefined;
  readonly problems: readonly ResourceProblem[];
}

const ruleMembers = ['name', 'match', 'route', 'statPrefix'];
/** Without these a request would get another answer than the rule's. */
const decisive = ['redirect', 'directResponse', 'delegate'];
const destinationMembers = ['destination', 'weight'];
const matchMembers = [
  'name',
  'uri',
  'scheme',
  'method',
  'authority',
  'headers',
  'withoutHeaders',
  'queryParams',
  'port',
  'ignoreUriCase',
  'gateways',
  'sourceLabels',
  'statPrefix',
];
const largestWeight = 2 ** 31 - 1;

export function parseVirtualService(object: KubernetesObject): ParsedRoute {
  const spec = new Field('spec', object.spec);
  const problems: ResourceProblem[] = [];
  const { name, namespace, creationTimestamp } = object.metadata;
  const ignored = (field: Field, remedy: string): void => {
    const message = 'is not served by waypoints here';
    problems.push(problemWith(object, { severity: 'warning', field: field.path, message, remedy }));
  };
  try {
    if (!isForMesh(spec)) return { route: undefined, problems };
    if (spec.at('tls').items().length > 0) ignored(spec.at('tls'), 'TLS is routed by the tcp rules, unread');
    const reader = new RuleReader(namespace, ignored);
    const route: RouteResource = {
      kind: 'VirtualService',
      name,
      namespace,
      creationTimestamp,
      exportTo: spec.at('exportTo').texts(),
      targets: hostsOf(spec).map((host) => ({ host, namespace, port: undefined })),
      http: reader.httpRules(spec.at('http')),
      tcp: reader.tcpRules(spec.at('tcp')),
    };
    return { route, problems };
  } catch (error) {
    if (!(error instanceof MalformedField)) throw error;
    const { path, message, remedy } = error;
    return { route: undefined, problems: [problemWith(object, { severity: 'error', field: path, message, remedy })] };
  }
}

/** Those for gateways only are not a waypoint's. */
function isForMesh(spec: Field): boolean {
  const gateways = spec.at('gateways').texts();
  return gateways.length === 0 || gateways.includes('mesh');
}

function hostsOf(spec: Field): readonly string[] {
  const hosts = spec
    .at('hosts')
    .items()
    .map((host) => host.requiredText());
  if (hosts.length === 0) throw spec.at('hosts').malformed('a list of hosts', 'name the services that are routed');
  return hosts;
}

class RuleReader {
  readonly #namespace: string;
  readonly #ignored: (field: Field, remedy: string) => void;

  constructor(namespace: string, ignored: (field: Field, remedy: string) => void) {
    this.#namespace = namespace;
    this.#ignored = ignored;
  }

  httpRules(rules: Field): readonly HttpRule[] {
    return rules.items().flatMap((rule) => {
      const matches = rule.at('match').items();
      const kept = matches.filter(isWaypoints);
      // A rule for other proxies only must not become one for every request.
      if (matches.length > 0 && kept.length === 0) return [];
      return [
        {
          name: rule.at('name').text() || 'default',
          matches: kept.length === 0 ? undefined : kept.map((match) => this.#httpMatch(match)),
          action: this.#httpAction(rule),
          rank: [],
        },
      ];
    });
  }

  tcpRules(rules: Field): readonly TcpRule[] {
    return rules.items().flatMap((rule) => {
      this.#tellOthers(rule, ['match', 'route'], 'leave it out');
      const matches = rule.at('match').items();
      const kept = matches.filter(isWaypoints);
      if (matches.length > 0 && kept.length === 0) return [];
      const ports = kept.map((match) => {
        this.#tellOthers(match, ['port', 'gateways', 'sourceLabels'], 'match by port');
        return match.at('port').isAbsent ? undefined : match.at('port').requiredPort();
      });
      const anyPort = ports.length === 0 || ports.includes(undefined);
      const limited = anyPort ? undefined : ports.flatMap((port) => port ?? []);
      return [{ ports: limited, action: this.#forward(rule.at('route')) }];
    });
  }

  #httpAction(rule: Field): RouteAction {
    const instead = decisive.map((key) => rule.at(key)).find((field) => !field.isAbsent);
    if (instead !== undefined) {
      this.#ignored(instead, 'its requests are refused with 500; give it a route');
      return { kind: 'refuse', detail: `${instead.path} is not served` };
    }
    this.#tellOthers(rule, ruleMembers, 'requests are routed without it');
    return this.#forward(rule.at('route'));
  }

  #forward(route: Field): RouteAction {
    const backends = route.items().map((entry): RouteBackend => {
      this.#tellOthers(entry, destinationMembers, 'requests are routed without it');
      const destination = entry.at('destination');
      destination.onlyMembers(['host', 'subset', 'port']);
      const port = destination.at('port').at('number');
      return {
        kind: 'service',
        host: destination.at('host').requiredText(),
        namespace: this.#namespace,
        port: port.isAbsent ? undefined : port.requiredPort(),
        subset: destination.at('subset').text() || undefined,
        statusWhenMissing: 503,
        weight: entry.at('weight').number(0, largestWeight) ?? 0,
      };
    });
    if (backends.length === 0) throw route.malformed('a list of destinations', 'name at least one');
    const [only, ...others] = backends;
    // As Istio: the weight of a single destination means nothing.
    return {
      kind: 'forward',
      backends: only !== undefined && others.length === 0 ? [{ ...only, weight: 1 }] : backends,
    };
  }

  #httpMatch(match: Field): HttpMatch {
    match.onlyMembers(matchMembers);
    const optional = (key: string) => (match.at(key).isAbsent ? undefined : parseStringMatch(match.at(key)));
    const letters = match.at('ignoreUriCase').flag() ? 'any-case' : 'as-written';
    const lowerCase = (name: string): string => name.toLowerCase();
    for (const [name, claim] of [...match.at('headers').entries(), ...match.at('withoutHeaders').entries()]) {
      if (name.startsWith('@')) this.#ignored(claim, 'tokens are not read, so it counts as absent; match a header');
    }
    return {
      path: match.at('uri').isAbsent ? undefined : parseStringMatch(match.at('uri'), letters),
      method: optional('method'),
      authority: optional('authority'),
      scheme: optional('scheme'),
      port: match.at('port').isAbsent ? undefined : match.at('port').requiredPort(),
      headers: parseNamedMatches(match.at('headers'), lowerCase),
      withoutHeaders: parseNamedMatches(match.at('withoutHeaders'), lowerCase),
      query: parseNamedMatches(match.at('queryParams'), (name) => name),
    };
  }

  #tellOthers(field: Field, known: readonly string[], remedy: string): void {
    for (const [key, member] of field.entries()) if (!known.includes(key)) this.#ignored(member, remedy);
  }
}

/** As in Istio, a waypoint does not know the client's labels; entries for gateways are others'. */
function isWaypoints(match: Field): boolean {
  const gateways = match.at('gateways').texts();
  return match.at('sourceLabels').isAbsent && (gateways.length === 0 || gateways.includes('mesh'));
}
