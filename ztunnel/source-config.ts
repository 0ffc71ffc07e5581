// Where the node proxy knows the mesh from: what every daemon can use, with istiod's place as a ztunnel finds it; and beside it a
// mesh that is written down (ztunnel.md §2, §13).
import type { Environment, EnvReader } from '../common/config/env-reader.ts';
import { type MeshSourceConfig, readMeshSource } from '../common/sources/mesh-source-config.ts';
import type { TextSource } from '../common/tls/control-plane-client.ts';
import { defaultControlPlane, type FileExists } from '../common/tls/control-plane-config.ts';
import type { ProxyConfig } from './proxy-config.ts';

/** `LOCAL_XDS_PATH` or `LOCAL_XDS`: a mesh written down, beside what the source tells. */
export type LocalMeshConfig = TextSource | { readonly kind: 'none' };

export interface SourceSettings {
  readonly proxy: ProxyConfig;
  readonly clusterId: string;
  readonly fileExists: FileExists;
}

export function readSource(
  read: EnvReader,
  env: Environment,
  { proxy, clusterId, fileExists }: SourceSettings,
): MeshSourceConfig {
  const { discoveryAddress } = proxy;
  return readMeshSource(read, env, {
    proxyType: 'ztunnel',
    discovery: {
      address: discoveryAddress ?? defaultControlPlane(read),
      setBy: discoveryAddress === undefined ? undefined : 'PROXY_CONFIG',
    },
    metadata: { CLUSTER_ID: clusterId, ...proxy.metadata },
    fileExists,
  });
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
