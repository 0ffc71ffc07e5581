// Where a daemon knows the mesh from. XDS_ADDRESS set: istiod there; AMBIENTD_MANIFESTS set: those files;
// AMBIENTD_SOURCE=kubernetes or KUBECONFIG: the Kubernetes API; two of them is an error, none means istiod at its usual
// place. XDS_ADDRESS set to nothing: none of them.
import type { Environment, EnvReader } from '../config/env-reader.ts';
import { type ControlPlaneConfig, type FileExists, readControlPlane } from '../tls/control-plane-config.ts';
import type { StructFields } from '../xds/discovery-codec.ts';
import type { NodeFacts } from '../xds/node-metadata.ts';
import { type KubernetesAccess, readKubernetesAccess } from './kubernetes/kubernetes-access.ts';

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

export interface SourceSettings {
  readonly proxyType: 'ztunnel' | 'waypoint';
  /** istiod's, if XDS_ADDRESS does not say; and what says so, where it is a setting. */
  readonly discovery: { readonly address: string; readonly setBy: string | undefined };
  readonly metadata: StructFields;
  readonly fileExists: FileExists;
}

export function readMeshSource(read: EnvReader, env: Environment, settings: SourceSettings): MeshSourceConfig {
  const path = read.text('AMBIENTD_MANIFESTS');
  const address = read.text('XDS_ADDRESS');
  if (path !== undefined && address !== undefined) {
    read.problem(
      `both XDS_ADDRESS=${address} and AMBIENTD_MANIFESTS=${path} are set: one source fills the mesh, unset the other`,
    );
  }
  const { setBy } = settings.discovery;
  const others = ['AMBIENTD_MANIFESTS', 'XDS_ADDRESS'].filter((name) => read.text(name) !== undefined);
  const access = readKubernetesAccess(read, setBy === undefined ? others : [...others, setBy]);
  if (path !== undefined) return { kind: 'manifests', path };
  const isAsked = read.text('AMBIENTD_SOURCE') !== undefined;
  if (access !== undefined && (isAsked || env['XDS_ADDRESS'] === undefined)) return { kind: 'kubernetes', access };
  if (env['XDS_ADDRESS'] === '') return { kind: 'none' };
  return { kind: 'xds', xds: readXds(read, settings) };
}

function readXds(read: EnvReader, { proxyType, discovery, metadata, fileExists }: SourceSettings): XdsConfig {
  return {
    ...readControlPlane(read, 'XDS', discovery.address, fileExists),
    node: {
      proxyType,
      instanceIp: read.text('INSTANCE_IP', '1.1.1.1'),
      podName: read.text('POD_NAME', ''),
      podNamespace: read.text('POD_NAMESPACE', ''),
      nodeName: read.text('NODE_NAME', ''),
      metadata,
    },
  };
}
