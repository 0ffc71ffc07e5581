// What no single object shows: references that lead nowhere, services that select nothing, addresses that are taken.
// Objects and the resources read from them in; problems that name object and remedy out. Pure.

import { type Waypoint, waypointOf } from '../derive/waypoint.ts';
import { admits, waypointRequestOf } from '../derive/waypoint-binding.ts';
import { Field, MalformedField } from '../field.ts';
import { isSubset, type Labels } from '../kinds/label-selector.ts';
import { type ContainerPort, parseContainerPorts } from '../kinds/pod.ts';
import type { KubernetesService } from '../kinds/service.ts';
import { apiGroup, describeObject, type KubernetesObject, problemWith } from '../kubernetes-object.ts';
import type { ResourceProblem } from '../resource-problem.ts';
import type { Resources } from '../resources.ts';

/** A pod, or the template of pods to come. */
interface PodShape {
  readonly namespace: string;
  readonly labels: Labels;
  readonly ports: readonly ContainerPort[];
}

const workloadKinds = ['Deployment', 'StatefulSet', 'DaemonSet', 'ReplicaSet', 'Job'];

export function validateManifests(
  objects: readonly KubernetesObject[],
  resources: Resources,
): readonly ResourceProblem[] {
  const problems: ResourceProblem[] = [];
  const pods = podShapes(objects, resources, problems);
  const gateways = new Set(
    objects
      .filter((object) => object.kind === 'Gateway' && apiGroup(object) === 'gateway.networking.k8s.io')
      .map(({ metadata }) => `${metadata.namespace}/${metadata.name}`),
  );
  const waypoints = waypointsToCome(resources);
  for (const object of objects) {
    checkWaypointName(object, gateways, problems);
    checkAttachment(object, waypoints, resources, problems);
    checkTargetRefs(object, gateways, problems);
  }
  for (const service of resources.services) checkService(service, pods, problems);
  checkAddresses(resources, problems);
  return problems;
}

function podShapes(
  objects: readonly KubernetesObject[],
  resources: Resources,
  problems: ResourceProblem[],
): readonly PodShape[] {
  const templates = objects
    .filter(({ kind }) => workloadKinds.includes(kind))
    .flatMap((object) => templateOf(object, problems) ?? []);
  const pods = resources.pods.map(({ object: { metadata }, ports }) => ({ ...metadata, ports }));
  return [...pods, ...templates];
}

function templateOf(object: KubernetesObject, problems: ResourceProblem[]): PodShape | undefined {
  const template = new Field('spec', object.spec).at('template');
  const { namespace } = object.metadata;
  try {
    const labels = template.at('metadata').at('labels').textMap();
    return { namespace, labels, ports: parseContainerPorts(template.at('spec')) };
  } catch (error) {
    if (!(error instanceof MalformedField)) throw error;
    const { path: field, message, remedy } = error;
    problems.push(problemWith(object, { severity: 'error', field, message, remedy }));
    return undefined;
  }
}

/** As in Istio, so that it has to be told. */
const withoutWaypoint = ', so that traffic goes on without a waypoint';

/** Gateways get their addresses from whoever serves them; here each counts as if it had one. */
function waypointsToCome({ gateways, gatewayClasses }: Resources): ReadonlyMap<string, Waypoint> {
  const statusAddresses = [{ type: 'Hostname', value: 'not-yet-known' }];
  const found = gateways.flatMap(
    (gateway) => waypointOf({ ...gateway, statusAddresses }, gatewayClasses.get(gateway.className), '') ?? [],
  );
  return new Map(found.map((waypoint) => [`${waypoint.namespace}/${waypoint.name}`, waypoint]));
}

/** A waypoint that is there and does not take what names it: the label has no effect. */
function checkAttachment(
  object: KubernetesObject,
  waypoints: ReadonlyMap<string, Waypoint>,
  { namespaces }: Resources,
  problems: ResourceProblem[],
): void {
  const { metadata, kind } = object;
  const namespace = kind === 'Namespace' ? metadata.name : metadata.namespace;
  const request = waypointRequestOf(metadata.labels, namespace);
  const waypoint = request.kind === 'named' ? waypoints.get(request.key) : undefined;
  if (waypoint === undefined) return;
  const key = `${waypoint.namespace}/${waypoint.name}`;
  const tell = (message: string, remedy: string) => {
    const field = 'metadata.labels["istio.io/use-waypoint"]';
    problems.push(problemWith(object, { severity: 'error', field, message: `${message}${withoutWaypoint}`, remedy }));
  };
  if (!admits(waypoint, namespace, { waypoints, namespaces })) {
    const remedy = `let allowedRoutes.namespaces of the Gateway's listener admit it (from: All, or a Selector), or remove the label`;
    tell(`names the waypoint ${key}, which does not admit namespace ${namespace}`, remedy);
  } else if (kind === 'Service' && !['service', 'all'].includes(waypoint.trafficType)) {
    const remedy = `label the Gateway istio.io/waypoint-for: service or all, or remove the label`;
    tell(`names the waypoint ${key}, which is for "${waypoint.trafficType}" and not for services`, remedy);
  }
}

function checkWaypointName(object: KubernetesObject, gateways: ReadonlySet<string>, problems: ResourceProblem[]): void {
  const { metadata, kind } = object;
  const namespace = kind === 'Namespace' ? metadata.name : metadata.namespace;
  const request = waypointRequestOf(metadata.labels, namespace);
  if (request.kind !== 'named' || gateways.has(request.key)) return;
  problems.push(
    problemWith(object, {
      severity: 'error',
      field: 'metadata.labels["istio.io/use-waypoint"]',
      message: `names the waypoint ${request.key}, and there is no such Gateway${withoutWaypoint}`,
      remedy: `add a Gateway ${request.key} of class istio-waypoint, or correct the label`,
    }),
  );
}

/** WasmPlugin, Telemetry and AuthorizationPolicy name the Gateway they are for; Gateways are looked for beside them. */
function checkTargetRefs(object: KubernetesObject, gateways: ReadonlySet<string>, problems: ResourceProblem[]): void {
  if (!['WasmPlugin', 'Telemetry', 'AuthorizationPolicy'].includes(object.kind)) return;
  const spec = new Field('spec', object.spec);
  try {
    const single = spec.at('targetRef');
    for (const reference of [...(single.isAbsent ? [] : [single]), ...spec.at('targetRefs').items()]) {
      if (reference.at('kind').text() !== 'Gateway') continue;
      const key = `${object.metadata.namespace}/${reference.at('name').requiredText()}`;
      if (gateways.has(key)) continue;
      const message = `is for the Gateway ${key}, which does not exist`;
      const remedy = `add the Gateway ${key}, or correct the name`;
      problems.push(problemWith(object, { severity: 'error', field: reference.path, message, remedy }));
    }
  } catch (error) {
    if (!(error instanceof MalformedField)) throw error;
    const { path: field, message, remedy } = error;
    problems.push(problemWith(object, { severity: 'error', field, message, remedy }));
  }
}

function checkService(service: KubernetesService, pods: readonly PodShape[], problems: ResourceProblem[]): void {
  const { object, selector } = service;
  if (Object.keys(selector).length === 0 || service.isExternalName) return;
  const { namespace } = object.metadata;
  const selected = pods.filter((pod) => pod.namespace === namespace && isSubset(selector, pod.labels));
  const wanted = Object.entries(selector).map(([key, value]) => `${key}=${value}`);
  if (selected.length === 0) {
    const message = `selects no pod (${wanted.join(', ')})`;
    const remedy = `give the pods in namespace ${namespace} these labels, or correct the selector`;
    problems.push(problemWith(object, { severity: 'warning', field: 'spec.selector', message, remedy }));
    return;
  }
  for (const [index, { targetPort }] of service.ports.entries()) {
    if (targetPort.kind === 'number' || hasPort(selected, targetPort.name)) continue;
    const field = `spec.ports[${index}].targetPort`;
    const message = `is "${targetPort.name}", and no container of the selected pods has a TCP port of that name`;
    const remedy = 'name a port of the containers, or write its number';
    problems.push(problemWith(object, { severity: 'error', field, message, remedy }));
  }
}

function hasPort(pods: readonly PodShape[], name: string): boolean {
  return pods.some(({ ports }) => ports.some((port) => port.name === name && port.protocol === 'TCP'));
}

/** Pods on the node's own network share its addresses; pods that have ended hold none. */
function checkAddresses(resources: Resources, problems: ResourceProblem[]): void {
  const owners = new Map<string, KubernetesObject>();
  for (const { object, addresses, hostNetwork, phase } of resources.pods) {
    if (hostNetwork || phase === 'Succeeded' || phase === 'Failed') continue;
    for (const address of addresses) {
      const owner = owners.get(address);
      owners.set(address, owner ?? object);
      if (owner === undefined) continue;
      const message = `has the address ${address}, which ${describeObject(owner)} has already`;
      const remedy = 'give each pod an address of its own';
      problems.push(problemWith(object, { severity: 'error', field: 'status.podIPs', message, remedy }));
    }
  }
}
