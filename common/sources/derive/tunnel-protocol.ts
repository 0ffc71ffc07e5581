// How peers reach a workload: by HBONE where its traffic is redirected or it ends tunnels itself, by Istio's mutual TLS where a
// sidecar says that it takes that, else in plain TCP. Decided from the annotation that istio-cni writes and from labels, never from
// dataplane-mode (fixtures 04, 05); what PeerAuthentication takes back comes after.
import type { Workload } from '../../mesh/workload.ts';
import { parsePort } from '../../net/address.ts';
import type { Labels } from '../kinds/label-selector.ts';
import type { ObjectMeta } from '../kubernetes-object.ts';
import { mtlsModeOf, type PeerAuthentications } from './policy-from-peer-authentication.ts';

/** The injector labels what it gives a sidecar. Which of the two a sidecar speaks, it says too: HBONE is preferred. */
export function tunnelProtocolOf(
  labels: Labels,
  annotations: Labels,
): Pick<Workload, 'tunnelProtocol' | 'nativeTunnel'> {
  const nativeTunnel = (labels['networking.istio.io/tunnel'] ?? '').split(',').includes('http');
  const isRedirected = annotations['ambient.istio.io/redirection'] === 'enabled';
  if (isRedirected || nativeTunnel) return { tunnelProtocol: 'hbone', nativeTunnel };
  const isSidecar = labels['security.istio.io/tlsMode'] === 'istio';
  return { tunnelProtocol: isSidecar ? 'istio-mtls' : 'none', nativeTunnel };
}

/**
 * A sidecar on DISABLE hands TLS to its application as it comes, and ports that are not redirected never meet it: there it must be spoken
 * to in plain.
 * @param sidecar a workload that is reached by Istio's mutual TLS
 */
export function withPlaintextPorts(
  sidecar: Workload,
  { labels, annotations }: Pick<ObjectMeta, 'labels' | 'annotations'>,
  sources: PeerAuthentications,
): Workload {
  const { own, mode } = mtlsModeOf(sidecar.namespace, labels, sources);
  if (mode === 'DISABLE') return { ...sidecar, tunnelProtocol: 'none' };
  const disabled = [...(own?.portModes ?? [])].flatMap(([port, of]) => (of === 'DISABLE' ? [port] : []));
  const excluded = (annotations['traffic.sidecar.istio.io/excludeInboundPorts'] ?? '')
    .split(',')
    .flatMap((text) => parsePort(text.trim()) ?? []);
  return { ...sidecar, plaintextPorts: [...new Set([...disabled, ...excluded])] };
}
