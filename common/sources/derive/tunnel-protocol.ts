// How peers reach a workload: by HBONE where its traffic is redirected or it ends tunnels itself, else in plain TCP.
// Decided from the annotation that istio-cni writes and the tunnel label, never from dataplane-mode (fixtures 04, 05).
import type { Workload } from '../../mesh/workload.ts';
import type { Labels } from '../kinds/label-selector.ts';

export function tunnelProtocolOf(
  labels: Labels,
  annotations: Labels,
): Pick<Workload, 'tunnelProtocol' | 'nativeTunnel'> {
  const nativeTunnel = (labels['networking.istio.io/tunnel'] ?? '').split(',').includes('http');
  const isRedirected = annotations['ambient.istio.io/redirection'] === 'enabled';
  return { tunnelProtocol: isRedirected || nativeTunnel ? 'hbone' : 'none', nativeTunnel };
}
