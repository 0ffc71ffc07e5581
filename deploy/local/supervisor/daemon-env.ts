// The environment of the two daemons, as a cluster's charts would set it (ztunnel.md §2, istio-control.md §5.3). Paths,
// addresses and tokens in, records of texts out.
import type { PodSpec } from '../materialize/pod-spec.ts';

export interface DaemonFacts {
  readonly mode: 'captured' | 'explicit';
  readonly nodeName: string;
  readonly clusterDomain: string;
  readonly trustDomain: string;
  /** objects.json */
  readonly manifestsFile: string;
  readonly caAddress: string;
  readonly caRootFile: string;
}

export interface ZtunnelPorts {
  readonly admin: number;
  readonly metrics: number;
  readonly readiness: number;
}

export const clusterPorts: ZtunnelPorts = { admin: 15000, metrics: 15020, readiness: 15021 };

export function ztunnelEnv(
  facts: DaemonFacts,
  node: { readonly zdsSocket: string; readonly tokenFile: string; readonly ports: ZtunnelPorts },
): Record<string, string> {
  return {
    ...commonEnv(facts, node.tokenFile),
    PROXY_MODE: facts.mode === 'captured' ? 'shared' : 'explicit',
    INPOD_UDS: node.zdsSocket,
    AMBIENTD_ADMIN_PORT: `${node.ports.admin}`,
    AMBIENTD_STATS_PORT: `${node.ports.metrics}`,
    AMBIENTD_READINESS_PORT: `${node.ports.readiness}`,
  };
}

export function waypointEnv(
  facts: DaemonFacts,
  pod: PodSpec,
  gateway: string,
  tokenFile: string,
): Record<string, string> {
  return {
    ...commonEnv(facts, tokenFile),
    GATEWAY_NAME: gateway,
    POD_NAME: pod.name,
    POD_NAMESPACE: pod.namespace,
    SERVICE_ACCOUNT: pod.serviceAccount,
    INSTANCE_IP: pod.ip,
    PROXY_MODE: facts.mode === 'captured' ? 'shared' : 'explicit',
  };
}

function commonEnv(facts: DaemonFacts, tokenFile: string): Record<string, string> {
  return {
    NODE_NAME: facts.nodeName,
    CLUSTER_DOMAIN: facts.clusterDomain,
    TRUST_DOMAIN: facts.trustDomain,
    AMBIENTD_MANIFESTS: facts.manifestsFile,
    CA_ADDRESS: facts.caAddress,
    CA_ROOT_CA: facts.caRootFile,
    AUTH_TOKEN: tokenFile,
    XDS_ADDRESS: '',
    LOG_FORMAT: 'plain',
    CONNECTION_TERMINATION_DEADLINE: '1s',
    TERMINATION_DRAIN_DURATION: '1s',
  };
}

/** What `exec` and containers get in explicit mode: the entry of their own pod, where it is enrolled. */
export function proxyEnv(pod: PodSpec): Record<string, string> {
  if (pod.enrollment.kind !== 'enrolled') return {};
  const http = `http://${pod.ip}:15080`;
  const socks = `socks5h://${pod.ip}:15080`;
  return {
    http_proxy: http,
    HTTP_PROXY: http,
    https_proxy: http,
    ALL_PROXY: socks,
    all_proxy: socks,
    NO_PROXY: '',
    no_proxy: '',
  };
}
