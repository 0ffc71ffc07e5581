// The standard labels of a waypoint's metrics: names in Istio's order, and their values. In: both ends, the service that was asked.
// Out: lists of equal length. What is missing is `unknown`, but a source's revision `latest`. Source: waypoint-telemetry.md §1.3, §1.8, §1.11.

import { identityOf } from '../../common/identity/identity.ts';
import type { Service } from '../../common/mesh/service.ts';
import type { Downstream } from '../served-target.ts';
import { grpcStatusOf, isGrpc, type RequestFacts, type UpstreamFacts } from './request-facts.ts';
import { flagsText } from './response-flags.ts';

export const commonLabelNames = [
  'reporter',
  'source_workload',
  'source_canonical_service',
  'source_canonical_revision',
  'source_workload_namespace',
  'source_principal',
  'source_app',
  'source_version',
  'source_cluster',
  'destination_workload',
  'destination_workload_namespace',
  'destination_principal',
  'destination_app',
  'destination_version',
  'destination_service',
  'destination_canonical_service',
  'destination_canonical_revision',
  'destination_service_name',
  'destination_service_namespace',
  'destination_cluster',
] as const;

export const httpLabelNames: readonly string[] = [
  ...commonLabelNames,
  'request_protocol',
  'response_code',
  'grpc_response_status',
  'response_flags',
  'connection_security_policy',
];

export const tcpLabelNames: readonly string[] = [
  ...commonLabelNames,
  'request_protocol',
  'response_flags',
  'connection_security_policy',
];

/** @param upstream what takes the traffic: a route may have named another service than the one that was asked */
export function commonLabelValues(downstream: Downstream, upstream: UpstreamFacts | undefined): string[] {
  const source = downstream.workload;
  const destination = upstream?.workload;
  const service = destinationService(downstream, upstream);
  return [
    'waypoint',
    known(source?.workloadName),
    known(source?.canonicalName),
    source?.canonicalRevision || 'latest',
    known(downstream.identity?.namespace ?? source?.namespace),
    known(downstream.identity?.uri),
    known(source?.canonicalName),
    known(source?.canonicalRevision),
    known(source?.clusterId),
    known(destination?.workloadName),
    known(destination?.namespace),
    known(destination && identityOf(destination).uri),
    known(destination?.canonicalName),
    known(destination?.canonicalRevision),
    known(service?.hostname),
    known(destination?.canonicalName),
    known(destination?.canonicalRevision),
    known(service?.name),
    known(service?.namespace),
    known(destination?.clusterId),
  ];
}

export function destinationService({ target }: Downstream, upstream: UpstreamFacts | undefined): Service | undefined {
  return upstream?.backend?.service ?? (target.kind === 'service' ? target.service : undefined);
}

/** The five that follow the common ones on HTTP metrics. */
export function requestLabelValues(facts: RequestFacts): string[] {
  const grpc = isGrpc(facts.request);
  return [
    grpc ? 'grpc' : 'http',
    String(facts.response?.status ?? 0),
    grpc ? grpcStatusOf(facts) : '',
    flagsText(facts.flags),
    securityOf(facts.downstream),
  ];
}

export function securityOf(downstream: Downstream): 'mutual_tls' | 'none' {
  return downstream.identity === undefined ? 'none' : 'mutual_tls';
}

const known = (value: string | undefined): string => value || 'unknown';
