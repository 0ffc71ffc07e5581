// What istiod would deploy for a Gateway of class istio-waypoint: ServiceAccount, Deployment, Service (istio-control.md
// §5.2, §5.3). A Gateway in, those objects out; addresses and pods come later, as for any other object.
import { fieldsOf, type KubernetesObject, listOf, namespaceOf, textOf, textsOf } from './kubernetes-object.ts';

export const waypointClass = 'istio-waypoint';
export const gatewayNameLabel = 'gateway.networking.k8s.io/gateway-name';
const gatewayClassLabel = 'gateway.networking.k8s.io/gateway-class-name';
const managedLabels = { 'gateway.istio.io/managed': 'istio.io-mesh-controller' };
/** The image name stands for the daemon: the supervisor knows it. */
export const waypointImage = 'ambientd/waypoint';

export function isWaypointGateway(object: KubernetesObject): boolean {
  return object.kind === 'Gateway' && fieldsOf(object['spec'])['gatewayClassName'] === waypointClass;
}

export interface WaypointNames {
  readonly deployment: string;
  readonly service: string;
  readonly serviceAccount: string;
}

export function waypointNames(gateway: KubernetesObject): WaypointNames {
  const annotations = textsOf(gateway.metadata.annotations);
  const name = annotations['gateway.istio.io/name-override'] ?? gateway.metadata.name;
  return { deployment: name, service: name, serviceAccount: annotations['gateway.istio.io/service-account'] ?? name };
}

export function waypointObjects(gateway: KubernetesObject): readonly KubernetesObject[] {
  const namespace = namespaceOf(gateway);
  const names = waypointNames(gateway);
  const gatewayLabels = { [gatewayNameLabel]: gateway.metadata.name, [gatewayClassLabel]: waypointClass };
  const labels = { ...infrastructureLabels(gateway), ...gatewayLabels, ...managedLabels };
  const podLabels = {
    ...labels,
    'sidecar.istio.io/inject': 'false',
    'istio.io/dataplane-mode': 'none',
    'service.istio.io/canonical-name': names.deployment,
    'service.istio.io/canonical-revision': 'latest',
  };
  const container = {
    name: 'istio-proxy',
    image: waypointImage,
    ports: [
      { containerPort: 15020, name: 'metrics', protocol: 'TCP' },
      { containerPort: 15021, name: 'status-port', protocol: 'TCP' },
      { containerPort: 15090, name: 'http-envoy-prom', protocol: 'TCP' },
    ],
  };
  const selector = { [gatewayNameLabel]: gateway.metadata.name };
  return [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: names.serviceAccount, namespace, labels } },
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: names.deployment, namespace, labels },
      spec: {
        replicas: 1,
        selector: { matchLabels: selector },
        template: {
          metadata: { labels: podLabels, annotations: scrapeAnnotations },
          spec: { serviceAccountName: names.serviceAccount, containers: [container] },
        },
      },
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: {
        name: names.service,
        namespace,
        labels,
        annotations: { 'networking.istio.io/traffic-distribution': 'PreferClose' },
      },
      spec: { type: 'ClusterIP', selector, ports: servicePorts(gateway) },
    },
  ];
}

const scrapeAnnotations = {
  'istio.io/rev': 'default',
  'prometheus.io/path': '/stats/prometheus',
  'prometheus.io/port': '15020',
  'prometheus.io/scrape': 'true',
};

/** `spec.infrastructure.labels` where it is there, else the Gateway's own. */
function infrastructureLabels(gateway: KubernetesObject): Record<string, string> {
  const infrastructure = fieldsOf(fieldsOf(gateway['spec'])['infrastructure'])['labels'];
  const labels = textsOf(infrastructure ?? gateway.metadata.labels);
  return Object.fromEntries(Object.entries(labels).filter(([key]) => !key.startsWith('gateway.networking.k8s.io/')));
}

function servicePorts(gateway: KubernetesObject): readonly unknown[] {
  const listeners = listOf(fieldsOf(gateway['spec'])['listeners']).map(fieldsOf);
  const own = listeners.map((listener) => ({
    name: textOf(listener['name']) ?? 'mesh',
    port: listener['port'],
    protocol: 'TCP',
    appProtocol: (textOf(listener['protocol']) ?? 'HBONE').toLowerCase(),
    targetPort: listener['port'],
  }));
  return [{ name: 'status-port', port: 15021, protocol: 'TCP', appProtocol: 'tcp', targetPort: 15021 }, ...own];
}

/** The status that a served Gateway has: its Service's address and name. */
export function gatewayStatus(serviceHost: string, clusterIp: string): unknown {
  const condition = (type: string, message: string) => ({ type, status: 'True', reason: type, message });
  return {
    addresses: [
      { type: 'IPAddress', value: clusterIp },
      { type: 'Hostname', value: serviceHost },
    ],
    conditions: [
      condition('Accepted', 'Resource accepted'),
      condition('Programmed', `Resource programmed, assigned to service(s) ${serviceHost}:15008`),
    ],
  };
}
