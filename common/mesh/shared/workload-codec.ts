// A workload as a record of the shared mesh, and back. Texts that many workloads have are shared; the uid is not written
// where it follows from the others. Writing and reading go through the fields in one order.
import type { ApplicationTunnel, Workload, WorkloadUid } from '../workload.ts';
import { choicesOf } from './choices.ts';
import { readGateway, readPorts, writeGateway, writePorts } from './gateway-codec.ts';
import type { RecordReader } from './record-reader.ts';
import type { RecordWriter } from './record-writer.ts';

const tunnelProtocols = choicesOf<Workload['tunnelProtocol']>({ none: 0, hbone: 1, 'istio-mtls': 2 });
const workloadTypes = choicesOf<Workload['workloadType']>({ deployment: 0, cronjob: 1, pod: 2, job: 3 });
const statuses = choicesOf<Workload['status']>({ healthy: 0, unhealthy: 1 });
const networkModes = choicesOf<Workload['networkMode']>({ standard: 0, 'host-network': 1 });
const applicationTunnels = choicesOf<ApplicationTunnel['protocol']>({ none: 0, proxy: 1 });

type FirstFields = Pick<
  Workload,
  | 'uid'
  | 'name'
  | 'namespace'
  | 'clusterId'
  | 'addresses'
  | 'hostname'
  | 'network'
  | 'tunnelProtocol'
  | 'trustDomain'
  | 'serviceAccount'
  | 'waypoint'
  | 'networkGateway'
  | 'node'
>;
type LastFields = Pick<
  Workload,
  | 'canonicalName'
  | 'canonicalRevision'
  | 'workloadType'
  | 'workloadName'
  | 'nativeTunnel'
  | 'applicationTunnel'
  | 'services'
  | 'authorizationPolicies'
  | 'status'
  | 'locality'
  | 'networkMode'
  | 'capacity'
  | 'plaintextPorts'
  | 'labels'
>;
/** A field that a workload gets some day and that is not written here does not type-check. */
type Unwritten = Exclude<keyof Workload, keyof FirstFields | keyof LastFields>;
true satisfies [Unwritten] extends [never] ? true : never;

export function writeWorkload(writer: RecordWriter, workload: Workload): void {
  writeFirstFields(writer, workload);
  writeLastFields(writer, workload);
}

function writeFirstFields(writer: RecordWriter, fields: FirstFields): void {
  const { uid, name, namespace, clusterId, addresses, hostname, network, tunnelProtocol } = fields;
  const { trustDomain, serviceAccount, waypoint, networkGateway, node } = fields;
  writer.text(name);
  writer.shared(namespace);
  writer.shared(clusterId);
  writer.optional(uid === uidOfPod(clusterId, namespace, name) ? undefined : uid, (other) => writer.text(other));
  writer.list(addresses, (ip) => writer.address(ip));
  writer.shared(hostname);
  writer.shared(network);
  writer.choice(tunnelProtocols, tunnelProtocol);
  writer.shared(trustDomain);
  writer.shared(serviceAccount);
  writer.optional(waypoint, (gateway) => writeGateway(writer, gateway));
  writer.optional(networkGateway, (gateway) => writeGateway(writer, gateway));
  writer.shared(node);
}

function writeLastFields(writer: RecordWriter, fields: LastFields): void {
  const { canonicalName, canonicalRevision, workloadType, workloadName, nativeTunnel, applicationTunnel } = fields;
  const { services, authorizationPolicies, status, locality, networkMode, capacity, plaintextPorts, labels } = fields;
  writer.shared(canonicalName);
  writer.shared(canonicalRevision);
  writer.choice(workloadTypes, workloadType);
  writer.shared(workloadName);
  writer.flag(nativeTunnel);
  writer.optional(applicationTunnel, ({ protocol, port }) => {
    writer.choice(applicationTunnels, protocol);
    writer.number(port);
  });
  writer.list([...services], ([key, ports]) => {
    writer.shared(key);
    writePorts(writer, ports);
  });
  writer.list(authorizationPolicies, (key) => writer.shared(key));
  writer.choice(statuses, status);
  writer.optional(locality, ({ region, zone, subzone }) => {
    writer.shared(region);
    writer.shared(zone);
    writer.shared(subzone);
  });
  writer.choice(networkModes, networkMode);
  writer.number(capacity);
  writer.list(plaintextPorts, (port) => writer.number(port));
  writer.optional(labels, (known) => {
    writer.list(Object.entries(known), ([name, value]) => {
      writer.shared(name);
      writer.shared(value);
    });
  });
}

export function readWorkload(reader: RecordReader): Workload {
  const name = reader.text();
  const namespace = reader.shared();
  const clusterId = reader.shared();
  const workload = {
    name,
    namespace,
    clusterId,
    uid: reader.optional(() => reader.text() as WorkloadUid) ?? uidOfPod(clusterId, namespace, name),
    addresses: reader.list(() => reader.address()),
    hostname: reader.shared(),
    network: reader.shared(),
    tunnelProtocol: reader.choice(tunnelProtocols),
    trustDomain: reader.shared(),
    serviceAccount: reader.shared(),
    waypoint: reader.optional(() => readGateway(reader)),
    networkGateway: reader.optional(() => readGateway(reader)),
    node: reader.shared(),
    canonicalName: reader.shared(),
    canonicalRevision: reader.shared(),
    workloadType: reader.choice(workloadTypes),
    workloadName: reader.shared(),
    nativeTunnel: reader.flag(),
    applicationTunnel: reader.optional(() => ({ protocol: reader.choice(applicationTunnels), port: reader.number() })),
    services: new Map(reader.list(() => [reader.shared(), readPorts(reader)] as const)),
    authorizationPolicies: reader.list(() => reader.shared()),
    status: reader.choice(statuses),
    locality: reader.optional(() => ({ region: reader.shared(), zone: reader.shared(), subzone: reader.shared() })),
    networkMode: reader.choice(networkModes),
    capacity: reader.number(),
    plaintextPorts: reader.list(() => reader.number()),
  };
  const labels = reader.optional(() => Object.fromEntries(reader.list(() => [reader.shared(), reader.shared()])));
  return labels === undefined ? workload : { ...workload, labels };
}

function uidOfPod(clusterId: string, namespace: string, name: string): WorkloadUid {
  return `${clusterId}//Pod/${namespace}/${name}` as WorkloadUid;
}
