// A workload: one running instance with addresses and one identity. The model is WDS's `istio.workload.Workload`
// (istio-control.md §3.1), whoever the source is; values are immutable, absent text is "".
import type { IpAddress } from '../net/address.ts';

declare const uidBrand: unique symbol;
/** `<cluster>//Pod/<namespace>/<name>` and its kin (istio-control.md §3.2). */
export type WorkloadUid = string & { readonly [uidBrand]: true };

export interface NamespacedHostname {
  readonly namespace: string;
  readonly hostname: string;
}

/** An address inside a network; the network is "" where there is only one. */
export interface NetworkAddress {
  readonly network: string;
  readonly ip: IpAddress;
  /** Prefix length of a CIDR address (ServiceEntry); absent for a single address. */
  readonly prefixLength?: number;
}

export type GatewayAddress = { readonly hboneMtlsPort: number } & (
  | { readonly kind: 'hostname'; readonly hostname: NamespacedHostname }
  | { readonly kind: 'address'; readonly address: NetworkAddress }
);

export interface Locality {
  readonly region: string;
  readonly zone: string;
  readonly subzone: string;
}

export interface ServicePort {
  readonly servicePort: number;
  /** 0 at a service: a named target port, to be found per workload. */
  readonly targetPort: number;
  readonly appProtocol: AppProtocol;
}

export type AppProtocol = 'unknown' | 'http11' | 'http2' | 'grpc' | 'tcp' | 'tls';

export interface ApplicationTunnel {
  readonly protocol: 'none' | 'proxy';
  readonly port: number;
}

export interface Workload {
  readonly uid: WorkloadUid;
  readonly name: string;
  readonly namespace: string;
  readonly addresses: readonly IpAddress[];
  readonly hostname: string;
  readonly network: string;
  /** `istio-mtls`: a sidecar, which ends Istio's mutual TLS on the application's own ports (WDS: LEGACY_ISTIO_MTLS). */
  readonly tunnelProtocol: 'none' | 'hbone' | 'istio-mtls';
  /** Where a sidecar takes no mutual TLS all the same. Ours: WDS has no word for it. */
  readonly plaintextPorts: readonly number[];
  /** Already defaulted: never "". */
  readonly trustDomain: string;
  readonly serviceAccount: string;
  readonly waypoint: GatewayAddress | undefined;
  readonly networkGateway: GatewayAddress | undefined;
  readonly node: string;
  readonly canonicalName: string;
  readonly canonicalRevision: string;
  readonly workloadType: 'deployment' | 'cronjob' | 'pod' | 'job';
  readonly workloadName: string;
  readonly nativeTunnel: boolean;
  readonly applicationTunnel: ApplicationTunnel | undefined;
  /** Key `<namespace>/<hostname>` of each service it belongs to, with its own ports there. */
  readonly services: ReadonlyMap<string, readonly ServicePort[]>;
  /** `<namespace>/<name>` of the policies that select it. */
  readonly authorizationPolicies: readonly string[];
  readonly status: 'healthy' | 'unhealthy';
  readonly clusterId: string;
  readonly locality: Locality | undefined;
  readonly networkMode: 'standard' | 'host-network';
  /** Weight in load balancing; 1 where nothing is said. */
  readonly capacity: number;
  /** Those of the pod or entry; absent where the source does not tell them (WDS does not). */
  readonly labels?: Readonly<Record<string, string>>;
}
