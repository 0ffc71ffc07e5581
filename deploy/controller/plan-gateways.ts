// Which Gateways get an address, and which: that of the Service that stands for the waypoint. istiod does this where there is one
// (istio-control.md §5.4). Pure: Gateways as the API has them, and Services, in; statuses to write out.
import { isDeepStrictEqual } from 'node:util';
import { Field, MalformedField } from '../../common/sources/field.ts';
import { type Gateway, parseGateway } from '../../common/sources/kinds/gateway.ts';
import { parseKubernetesObject } from '../../common/sources/kubernetes-object.ts';

export interface GatewayService {
  readonly namespace: string;
  readonly name: string;
  /** Empty for one without an address of its own. */
  readonly clusterIps: readonly string[];
}

export interface PlannedStatus {
  readonly namespace: string;
  readonly name: string;
  readonly status: unknown;
}

export interface GatewayFacts {
  readonly gateways: readonly unknown[];
  readonly services: readonly GatewayService[];
  readonly clusterDomain: string;
  /** RFC 3339. */
  readonly now: string;
}

const waypointClass = 'istio-waypoint';
const nameOverride = 'gateway.istio.io/name-override';

/** Only of class istio-waypoint, and only what is not so already: an address once given stays while there is no Service. */
export function planGateways({ gateways, services, clusterDomain, now }: GatewayFacts): readonly PlannedStatus[] {
  return gateways.flatMap((value) => {
    const gateway = readGateway(value);
    if (gateway === undefined || gateway.className !== waypointClass || gateway.specAddresses.length > 0) return [];
    const { name, namespace, annotations } = gateway.object.metadata;
    const wanted = annotations[nameOverride] ?? name;
    const service = services.find((each) => each.namespace === namespace && each.name === wanted);
    if (service === undefined || service.clusterIps.length === 0) return [];
    const hostname = `${wanted}.${namespace}.svc.${clusterDomain}`;
    const addresses = [
      ...service.clusterIps.map((ip) => ({ type: 'IPAddress', value: ip })),
      { type: 'Hostname', value: hostname },
    ];
    if (isDeepStrictEqual(addresses, gateway.statusAddresses)) return [];
    return [{ namespace, name, status: { addresses, conditions: conditionsOf(gateway, hostname, now) } }];
  });
}

/** Undefined for one that nothing can be made of: whoever serves the mesh tells of it. */
function readGateway(value: unknown): Gateway | undefined {
  try {
    return parseGateway(parseKubernetesObject(value, undefined));
  } catch (error) {
    if (error instanceof MalformedField) return undefined;
    throw error;
  }
}

function conditionsOf({ object }: Gateway, hostname: string, lastTransitionTime: string) {
  const generation = new Field('', object.raw).at('metadata').at('generation');
  const observedGeneration = generation.number(0, Number.MAX_SAFE_INTEGER) ?? 0;
  const condition = (type: string, message: string) => {
    return { type, status: 'True', reason: type, message, observedGeneration, lastTransitionTime };
  };
  return [
    condition('Accepted', 'Resource accepted'),
    condition('Programmed', `Resource programmed, assigned to service(s) ${hostname}:15008`),
  ];
}
