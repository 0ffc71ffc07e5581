// Response flags as Envoy names them: short codes in logs and labels, bits in `response.flags`. In: flags. Out: text or number.
// Source: waypoint-telemetry.md §1.12; the order of the list is the order of the bits.

const flags = [
  'LH',
  'UH',
  'UT',
  'LR',
  'UR',
  'UF',
  'UC',
  'UO',
  'NR',
  'DI',
  'FI',
  'RL',
  'UAEX',
  'RLSE',
  'DC',
  'URX',
  'SI',
  'IH',
  'DPE',
  'UMSDR',
  'RFCF',
  'NFCF',
  'DT',
  'UPE',
  'NC',
  'OM',
  'DF',
  'DO',
  'DR',
  'UDO',
] as const;

/** In the same order. */
const longNames: readonly string[] = [
  'FailedLocalHealthCheck',
  'NoHealthyUpstream',
  'UpstreamRequestTimeout',
  'LocalReset',
  'UpstreamRemoteReset',
  'UpstreamConnectionFailure',
  'UpstreamConnectionTermination',
  'UpstreamOverflow',
  'NoRouteFound',
  'DelayInjected',
  'FaultInjected',
  'RateLimited',
  'UnauthorizedExternalService',
  'RateLimitServiceError',
  'DownstreamConnectionTermination',
  'UpstreamRetryLimitExceeded',
  'StreamIdleTimeout',
  'InvalidEnvoyRequestHeaders',
  'DownstreamProtocolError',
  'UpstreamMaxStreamDurationReached',
  'ResponseFromCacheFilter',
  'NoFilterConfigFound',
  'DurationTimeout',
  'UpstreamProtocolError',
  'NoClusterFound',
  'OverloadManagerTerminated',
  'DnsResolutionFailed',
  'DropOverload',
  'DownstreamRemoteReset',
  'UnconditionalDropOverload',
];

export type ResponseFlag = (typeof flags)[number];

export function flagsText(set: readonly ResponseFlag[]): string {
  if (set.length === 0) return '-';
  return flags.filter((flag) => set.includes(flag)).join(',');
}

export function flagsLongText(set: readonly ResponseFlag[]): string {
  return longNames.filter((_, index) => set.includes(flags[index] ?? 'UDO')).join(',') || '-';
}

export function flagsBits(set: readonly ResponseFlag[]): bigint {
  return set.reduce((bits, flag) => bits | (1n << BigInt(flags.indexOf(flag))), 0n);
}
