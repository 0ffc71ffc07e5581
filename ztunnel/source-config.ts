// Where the node proxy knows the mesh from. XDS_ADDRESS set: istiod there; AMBIENTD_MANIFESTS set: those files;
// AMBIENTD_SOURCE=kubernetes or KUBECONFIG: the Kubernetes API; two of them is an error, none means istiod at its usual
// place. XDS_ADDRESS set to nothing: neither, LOCAL_XDS alone (ztunnel.md §2, §13).
import type { Environment, EnvReader } from '../common/config/env-reader.ts';
import { type KubernetesAccess, readKubernetesAccess } from '../common/sources/kubernetes/kubernetes-access.ts';
import {
  type ControlPlaneConfig,
  defaultControlPlane,
  type FileExists,
  readControlPlane,
} from '../common/tls/control-plane-config.ts';
import type { TextSource } from '../common/tls/grpc-channel-client.ts';
import type { NodeFacts } from '../common/xds/node-metadata.ts';
import type { ProxyConfig } from './proxy-config.ts';

export interface XdsConfig extends ControlPlaneConfig {
  /** `INSTANCE_IP` (1.1.1.1), `POD_NAME`, `POD_NAMESPACE`, `NODE_NAME`, and the proxy's metadata. */
  readonly node: NodeFacts;
}

export type MeshSourceConfig =
  /** `AMBIENTD_MANIFESTS`: file or folder of Kubernetes objects. */
  | { readonly kind: 'manifests'; readonly path: string }
  /** `AMBIENTD_SOURCE=kubernetes`, `KUBECONFIG`. */
  | { readonly kind: 'kubernetes'; readonly access: KubernetesAccess }
  | { readonly kind: 'xds'; readonly xds: XdsConfig }
  | { readonly kind: 'none' };

/** `LOCAL_XDS_PATH` or `LOCAL_XDS`: a mesh written down, beside what the source tells. */
export type LocalMeshConfig = TextSource | { readonly kind: 'none' };

export interface SourceSettings {
  readonly proxy: ProxyConfig;
  readonly clusterId: string;
  readonly fileExists: FileExists;
}

export function readSource(read: EnvReader, env: Environment, settings: SourceSettings): MeshSourceConfig {
  const path = read.text('AMBIENTD_MANIFESTS');
  const address = read.text('XDS_ADDRESS');
  if (path !== undefined && address !== undefined) {
    read.problem(
      `both XDS_ADDRESS=${address} and AMBIENTD_MANIFESTS=${path} are set: one source fills the mesh, unset the other`,
    );
  }
  const others = ['AMBIENTD_MANIFESTS', 'XDS_ADDRESS'].filter((name) => read.text(name) !== undefined);
  const access = readKubernetesAccess(
    read,
    settings.proxy.discoveryAddress === undefined ? others : [...others, 'PROXY_CONFIG'],
  );
  if (path !== undefined) return { kind: 'manifests', path };
  const isAsked = read.text('AMBIENTD_SOURCE') !== undefined;
  if (access !== undefined && (isAsked || env['XDS_ADDRESS'] === undefined)) return { kind: 'kubernetes', access };
  if (env['XDS_ADDRESS'] === '') return { kind: 'none' };
  return { kind: 'xds', xds: readXds(read, settings) };
}

function readXds(read: EnvReader, { proxy, clusterId, fileExists }: SourceSettings): XdsConfig {
  const fallback = proxy.discoveryAddress ?? defaultControlPlane(read);
  return {
    ...readControlPlane(read, 'XDS', fallback, fileExists),
    node: {
      instanceIp: read.text('INSTANCE_IP', '1.1.1.1'),
      podName: read.text('POD_NAME', ''),
      podNamespace: read.text('POD_NAMESPACE', ''),
      nodeName: read.text('NODE_NAME', ''),
      metadata: { CLUSTER_ID: clusterId, ...proxy.metadata },
    },
  };
}

export function readLocalMesh(read: EnvReader, source: MeshSourceConfig): LocalMeshConfig {
  const [path, text] = [read.text('LOCAL_XDS_PATH'), read.text('LOCAL_XDS')];
  if (path !== undefined && text !== undefined) read.problem('both LOCAL_XDS_PATH and LOCAL_XDS are set: unset one');
  if (path === undefined && text === undefined) {
    if (source.kind === 'none') {
      read.problem(
        'XDS_ADDRESS is empty, and none of AMBIENTD_MANIFESTS, AMBIENTD_SOURCE, LOCAL_XDS_PATH and LOCAL_XDS is set: nothing tells of the mesh',
      );
    }
    return { kind: 'none' };
  }
  if (source.kind === 'manifests' || source.kind === 'kubernetes') {
    read.problem('LOCAL_XDS goes with istiod or alone, not with AMBIENTD_MANIFESTS or AMBIENTD_SOURCE: unset one');
  }
  return path === undefined ? { kind: 'literal', text: text ?? '' } : { kind: 'file', path };
}
