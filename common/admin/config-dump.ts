// `/config_dump`: everything a daemon knows and is, in the shape that istioctl reads (ztunnel.md §12). Pure: the mesh,
// the certificates and what the daemon tells of itself in, one JSON value out. Private keys are no part of it.
import { readCertificate, splitCertificates } from '../identity/certificate-facts.ts';
import type { CertificateEntry, CertificateState } from '../identity/certificate-store.ts';
import type { MeshView, WorkloadName } from '../mesh/mesh-view.ts';
import { dumpPolicies, dumpServices, dumpWorkloads } from './dump-mesh.ts';
import type { Json } from './sorted-json.ts';

export interface ConnectionState {
  readonly src: string;
  readonly actualDst: string;
  /** What the application asked for; undefined where the tunnel does not tell. */
  readonly originalDst: string | undefined;
  readonly protocol: 'TCP' | 'HBONE' | 'DOUBLEHBONE';
}

/** One pod that this node's proxy serves, by the uid that the CNI gave it. */
export interface ProxyState {
  readonly uid: string;
  readonly workload: WorkloadName;
  readonly state: 'Up' | 'Pending';
  readonly inbound: readonly ConnectionState[];
  readonly outbound: readonly ConnectionState[];
}

export interface BuildVersion {
  readonly version: string;
  readonly gitRevision: string;
  /** Of the control plane that it was installed with; default unknown. */
  readonly istioVersion?: string;
}

export interface ConfigDumpFacts {
  readonly mesh: MeshView;
  readonly certificates: readonly CertificateEntry[];
  /** The daemon's configuration, without secrets. */
  readonly config: Json;
  readonly version: BuildVersion;
  /** Absent where one process serves one workload. */
  readonly proxies?: readonly ProxyState[];
}

export function dumpConfig(facts: ConfigDumpFacts): Json {
  const { certificates, config, mesh, proxies, version } = facts;
  return {
    certificates: certificates.map(dumpCertificate),
    config,
    policies: dumpPolicies(mesh),
    services: dumpServices(mesh),
    stagedServices: {},
    staticConfig: { policies: [], services: [], workloads: [] },
    version: dumpVersion(version),
    workloadState: proxies && Object.fromEntries(proxies.map((proxy) => [proxy.uid, dumpProxy(proxy)])),
    workloads: dumpWorkloads(mesh),
  };
}

function dumpCertificate({ identity, state }: CertificateEntry): Json {
  const held = state.kind === 'available' ? state.certificate : undefined;
  return {
    identity: identity.uri,
    state: describeState(state),
    certChain: dumpChain(held?.chainPem),
    rootCerts: dumpChain(held?.rootsPem),
  };
}

function describeState(state: CertificateState): string {
  switch (state.kind) {
    case 'initializing':
      return 'Initializing';
    case 'available':
      return 'Available';
    case 'unavailable':
      return `Unavailable: ${state.error.message}`;
  }
}

function dumpChain(pem = ''): Json {
  return splitCertificates(pem)
    .map(readCertificate)
    .map((certificate) => ({
      pem: Buffer.from(certificate.pem).toString('base64'),
      serialNumber: certificate.serialNumber,
      validFrom: toSeconds(certificate.notBeforeMs),
      expirationTime: toSeconds(certificate.notAfterMs),
    }));
}

function toSeconds(timeMs: number): string {
  return `${new Date(timeMs).toISOString().slice(0, 19)}Z`;
}

function dumpProxy({ inbound, outbound, state, workload }: ProxyState): Json {
  const { name, namespace, serviceAccount } = workload;
  const connections = { inbound: inbound.map(dumpConnection), outbound: outbound.map(dumpConnection) };
  return { state, info: { name, namespace, serviceAccount }, connections: state === 'Up' ? connections : undefined };
}

function dumpConnection({ actualDst, originalDst, protocol, src }: ConnectionState): Json {
  return { actualDst, originalDst: originalDst ?? null, protocol, src };
}

/** The members that ztunnel's has; those of its compiler say that there is none. */
function dumpVersion({ gitRevision, istioVersion = 'unknown', version }: BuildVersion): Json {
  return {
    version,
    gitRevision,
    buildProfile: 'release',
    buildStatus: 'unknown',
    cryptoProvider: 'tls-openssl',
    istioVersion,
    rustVersion: 'none',
  };
}
