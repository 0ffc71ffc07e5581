// The authorization of a waypoint: the policies of now, and for each request or connection the verdict they give. Which policies are for a
// service is worked out once, until they change. In: policies, requests, connections. Out: a denial, or nothing.
import { joinHeader } from '../http/header-list.ts';
import type { RequestHead } from '../http/http-exchange.ts';
import { attachesTo, type WaypointTraffic } from '../resources/attachment.ts';
import type { AttachedPolicy } from '../resources/authorization.ts';
import type { HttpFacts } from '../resources/traffic-condition.ts';
import type { Downstream, ServedTarget } from '../served-target.ts';
import { authorizeTraffic, type TrafficVerdict } from './authorize-traffic.ts';

export type Denial = Extract<TrafficVerdict, { kind: 'deny' }>;

type AuthorizedHead = Pick<RequestHead, 'method' | 'authority' | 'path' | 'headers'>;

export interface Authorization {
  /** Takes effect for requests and connections from now on. */
  usePolicies(policies: readonly AttachedPolicy[]): void;
  /** @returns undefined: it may pass */
  ofRequest(downstream: Downstream, request: AuthorizedHead): Denial | undefined;
  /** Of one that is carried unread. @returns undefined: it may pass */
  ofConnection(downstream: Downstream): Denial | undefined;
}

export function createAuthorization(waypoint: Omit<WaypointTraffic, 'service'>): Authorization {
  let all: readonly AttachedPolicy[] = [];
  let known = new Map<string, readonly AttachedPolicy[]>();

  function policiesFor(target: ServedTarget): readonly AttachedPolicy[] {
    if (all.length === 0) return all;
    const service = target.kind === 'service' ? target.service : undefined;
    const key = service === undefined ? '' : `${service.namespace}/${service.name}`;
    const found = known.get(key);
    if (found !== undefined) return found;
    const traffic: WaypointTraffic = { ...waypoint, service };
    const policies = all.filter(({ targets, namespace }) => attachesTo(targets, namespace, traffic));
    known.set(key, policies);
    return policies;
  }

  function denialOf({ address, identity, target }: Downstream, http: () => HttpFacts | undefined): Denial | undefined {
    const policies = policiesFor(target);
    if (policies.length === 0) return undefined;
    const facts = { source: address, destination: target.address, identity, http: http() };
    const verdict = authorizeTraffic(policies, facts);
    return verdict.kind === 'deny' ? verdict : undefined;
  }

  return {
    usePolicies(policies) {
      all = policies;
      known = new Map();
    },
    ofRequest: (downstream, request) => denialOf(downstream, () => httpFacts(request)),
    ofConnection: (downstream) => denialOf(downstream, () => undefined),
  };
}

function httpFacts({ method, authority, path, headers }: AuthorizedHead): HttpFacts {
  const [withoutQuery = ''] = path.split('?', 1);
  return { method, authority, path: withoutQuery, header: (name) => joinHeader(headers, name) };
}
