// One request through a waypoint, as its telemetry sees it when it has ended.
import { identityOf } from '../../common/identity/identity.ts';
import type { LogFacts, TcpFacts } from '../../waypoint/telemetry/log-facts.ts';
import { logFactsOfConnection, logFactsOfRequest } from '../../waypoint/telemetry/log-facts.ts';
import { connectionAttributes, requestAttributes } from '../../waypoint/telemetry/request-attributes.ts';
import type { RequestFacts } from '../../waypoint/telemetry/request-facts.ts';
import { aService, aWorkload, endAt } from './mesh-objects.ts';

const service = aService({ name: 'podinfo-svc', namespace: 'podinfo', addresses: ['10.96.0.1'] });
const podinfo = aWorkload({ name: 'podinfo-1', namespace: 'podinfo', workloadName: 'podinfo' });
const curl = aWorkload({ name: 'curl-1', namespace: 'podinfo', workloadName: 'curl' });

const downstream = {
  identity: identityOf(curl),
  localIdentity: identityOf({ trustDomain: 'cluster.local', namespace: 'podinfo', serviceAccount: 'gate' }),
  address: endAt('10.1.0.1:40000'),
  workload: curl,
  target: { kind: 'service', service, servicePort: 80, address: endAt('10.96.0.1:80'), appProtocol: 'http11' },
} as const;

export const someRequest: RequestFacts = {
  downstream,
  upstream: { workload: podinfo, address: endAt('10.1.0.2:9898') },
  request: {
    protocol: 'HTTP/1.1',
    method: 'POST',
    scheme: 'http',
    authority: 'podinfo:80',
    path: '/echo?a=b',
    headers: ['user-agent', 'curl "8"', 'x-request-id', 'id-1', 'x', '1', 'x', '2'],
    upgrade: undefined,
    headBytes: 80,
  },
  response: { status: 202, headers: ['content-type', 'text/plain', 'x-envoy-upstream-service-time', '4'] },
  responseTrailers: ['t', 'v'],
  flags: [],
  routeName: 'default',
  details: 'via_upstream',
  startEpochMs: Date.UTC(2025, 5, 3, 10, 15, 42, 318),
  durationMs: 5.4,
  upstreamMs: 4,
  end: { kind: 'complete', receivedBytes: 84, sentBytes: 120, receivedBodyBytes: 4, sentBodyBytes: 5 },
};

export const someConnection: TcpFacts = {
  downstream,
  upstream: undefined,
  flags: ['UH'],
  startEpochMs: someRequest.startEpochMs,
  durationMs: 1,
  receivedBytes: 3,
  sentBytes: 4,
};

export function requestLogFacts(given: Partial<RequestFacts> = {}): LogFacts {
  const facts = { ...someRequest, ...given };
  return logFactsOfRequest(facts, requestAttributes(facts, new Map([['wasm.operation', 'echo']])));
}

export function connectionLogFacts(given: Partial<TcpFacts> = {}): LogFacts {
  const facts = { ...someConnection, ...given };
  return logFactsOfConnection(
    facts,
    connectionAttributes(facts.downstream, new Map(), () => undefined),
  );
}
