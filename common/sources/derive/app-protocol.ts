// The protocol of a service port: from appProtocol, else from the port's name (`http-web`), else from well-known numbers.
// An appProtocol that is not known does not fall back to the name (fixture 11). Source: istio-control.md §3.7.
import type { AppProtocol } from '../../mesh/workload.ts';
import type { KubernetesServicePort } from '../kinds/service.ts';

const byText: Readonly<Record<string, AppProtocol>> = {
  http: 'http11',
  http2: 'http2',
  https: 'tls',
  tls: 'tls',
  grpc: 'grpc',
  tcp: 'tcp',
};

/** Names that say a protocol for which the mesh has no word. */
const knownOtherwise = ['udp', 'grpc-web', 'mongo', 'redis', 'mysql'];

const byKubernetesName: Readonly<Record<string, AppProtocol>> = {
  'kubernetes.io/h2c': 'http2',
  'kubernetes.io/ws': 'http11',
  'kubernetes.io/wss': 'tls',
};

/** Ports whose servers speak first: SMTP, DNS, MySQL, MongoDB. */
const serverFirstPorts = [25, 53, 3306, 27017];

export function appProtocolOf(port: KubernetesServicePort): AppProtocol {
  if (port.protocol === 'UDP') return 'unknown';
  if (port.appProtocol !== undefined) {
    return byKubernetesName[port.appProtocol] ?? protocolFromText(port.appProtocol);
  }
  const name = port.name.toLowerCase();
  const prefix = name.startsWith('grpc-web') ? 'grpc-web' : (name.split('-', 1)[0] ?? '');
  if (Object.hasOwn(byText, prefix)) return protocolFromText(prefix);
  if (knownOtherwise.includes(prefix)) return 'unknown';
  return serverFirstPorts.includes(port.port) ? 'tcp' : 'unknown';
}

/** `HTTP`, `grpc`, `TLS` …; anything else is unknown. */
export function protocolFromText(text: string): AppProtocol {
  const name = text.toLowerCase();
  return (Object.hasOwn(byText, name) ? byText[name] : undefined) ?? 'unknown';
}
