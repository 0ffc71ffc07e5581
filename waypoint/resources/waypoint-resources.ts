// The resources that shape what a waypoint tells of traffic, what it lets pass and where it sends it, out of everything there is. In: Kubernetes objects, and what was read before. Out: the
// parsed ones, and their problems; an object that cannot be used does not touch the others, and its last good version goes on.
import { apiGroup, type KubernetesObject, objectKey } from '../../common/sources/kubernetes-object.ts';
import type { ResourceProblem } from '../../common/sources/resource-problem.ts';
import type { LastGood } from '../../common/sources/resources.ts';
import { type AttachedPolicy, parseAuthorization } from './authorization.ts';
import { parseDestinationRule } from './destination-rule.ts';
import { parseGatewayApiRoute } from './gateway-api-route.ts';
import { defaultMeshTelemetry, isMeshConfig, type MeshTelemetry, parseMeshTelemetry } from './mesh-telemetry.ts';
import type { DestinationRule, RouteResource } from './route-rules.ts';
import { parseTelemetry, type TelemetryResource } from './telemetry.ts';
import { parseVirtualService } from './virtual-service.ts';
import { parseWasmPlugin, type WasmPlugin } from './wasm-plugin.ts';

export interface WaypointResources {
  readonly telemetries: readonly TelemetryResource[];
  readonly plugins: readonly WasmPlugin[];
  readonly policies: readonly AttachedPolicy[];
  readonly routes: readonly RouteResource[];
  readonly destinationRules: readonly DestinationRule[];
  readonly mesh: MeshTelemetry;
  readonly problems: readonly ResourceProblem[];
  /** To be given to the next call. */
  readonly lastGood: LastGood;
}

export const noResources: WaypointResources = {
  telemetries: [],
  plugins: [],
  policies: [],
  routes: [],
  destinationRules: [],
  mesh: defaultMeshTelemetry,
  problems: [],
  lastGood: new Map(),
};

interface Parsed {
  readonly telemetry?: TelemetryResource | undefined;
  readonly plugin?: WasmPlugin | undefined;
  readonly policy?: AttachedPolicy | undefined;
  readonly route?: RouteResource | undefined;
  readonly destinationRule?: DestinationRule | undefined;
  readonly mesh?: MeshTelemetry;
  readonly problems: readonly ResourceProblem[];
}

interface ResourceKind {
  parse(object: KubernetesObject): Parsed;
  readonly consequence: string;
}

const meshConfig: ResourceKind = {
  parse: parseMeshTelemetry,
  consequence: 'what is malformed in it has its default until then',
};

const noRoute = 'it routes nothing until then';
const gatewayApiRoute: ResourceKind = { parse: parseGatewayApiRoute, consequence: noRoute };

/** Parsers by `<API group>/<kind>`, and what comes of an object with an error in it that was never any better. */
const kinds: ReadonlyMap<string, ResourceKind> = new Map([
  [
    'telemetry.istio.io/Telemetry',
    { parse: parseTelemetry, consequence: 'what is malformed in it is left out until then' },
  ],
  [
    'extensions.istio.io/WasmPlugin',
    { parse: parseWasmPlugin, consequence: 'none of its attributes is set until then' },
  ],
  [
    'security.istio.io/AuthorizationPolicy',
    { parse: parseAuthorization, consequence: 'everything it applies to is denied until then' },
  ],
  ['networking.istio.io/VirtualService', { parse: parseVirtualService, consequence: noRoute }],
  [
    'networking.istio.io/DestinationRule',
    { parse: parseDestinationRule, consequence: 'none of its subsets exists until then' },
  ],
  ['gateway.networking.k8s.io/HTTPRoute', gatewayApiRoute],
  ['gateway.networking.k8s.io/TCPRoute', gatewayApiRoute],
]);

export function readWaypointResources(
  objects: readonly KubernetesObject[],
  previous: LastGood = noResources.lastGood,
  rootNamespace = 'istio-system',
): WaypointResources {
  const used: Parsed[] = [];
  const problems: ResourceProblem[] = [];
  const lastGood = new Map<string, KubernetesObject>();
  for (const object of objects) {
    const kind = isMeshConfig(object, rootNamespace) ? meshConfig : kinds.get(`${apiGroup(object)}/${object.kind}`);
    if (kind === undefined) continue;
    const parsed = kind.parse(object);
    const key = objectKey(object);
    const good = parsed.problems.some(({ severity }) => severity === 'error') ? previous.get(key) : object;
    if (good !== undefined) lastGood.set(key, good);
    used.push(good === undefined || good === object ? parsed : kind.parse(good));
    const consequence = good === undefined ? kind.consequence : 'its last good version keeps serving until then';
    problems.push(...parsed.problems.map((problem) => withConsequence(problem, consequence)));
  }
  return {
    telemetries: used.flatMap(({ telemetry }) => telemetry ?? []),
    plugins: used.flatMap(({ plugin }) => plugin ?? []),
    policies: used.flatMap(({ policy }) => policy ?? []),
    routes: used.flatMap(({ route }) => route ?? []),
    destinationRules: used.flatMap(({ destinationRule }) => destinationRule ?? []),
    mesh: used.findLast(({ mesh }) => mesh !== undefined)?.mesh ?? defaultMeshTelemetry,
    problems,
    lastGood,
  };
}

function withConsequence(problem: ResourceProblem, consequence: string): ResourceProblem {
  return problem.severity === 'error' ? { ...problem, remedy: `${problem.remedy} (${consequence})` } : problem;
}
