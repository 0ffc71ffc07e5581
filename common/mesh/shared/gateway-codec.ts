// The parts that workloads and services have in common, as fields of a record: ports, network addresses, gateways.
import type { GatewayAddress, NetworkAddress, ServicePort } from '../workload.ts';
import { choicesOf } from './choices.ts';
import type { RecordReader } from './record-reader.ts';
import type { RecordWriter } from './record-writer.ts';

const appProtocols = choicesOf<ServicePort['appProtocol']>({
  unknown: 0,
  http11: 1,
  http2: 2,
  grpc: 3,
  tcp: 4,
  tls: 5,
});
const gatewayKinds = choicesOf<GatewayAddress['kind']>({ hostname: 0, address: 1 });

export function writePorts(writer: RecordWriter, ports: readonly ServicePort[]): void {
  writer.list(ports, ({ servicePort, targetPort, appProtocol }) => {
    writer.number(servicePort);
    writer.number(targetPort);
    writer.choice(appProtocols, appProtocol);
  });
}

export function readPorts(reader: RecordReader): readonly ServicePort[] {
  return reader.list(() => ({
    servicePort: reader.number(),
    targetPort: reader.number(),
    appProtocol: reader.choice(appProtocols),
  }));
}

export function writeNetworkAddress(writer: RecordWriter, { network, ip, prefixLength }: NetworkAddress): void {
  writer.shared(network);
  writer.address(ip);
  writer.optional(prefixLength, (bits) => writer.number(bits));
}

export function readNetworkAddress(reader: RecordReader): NetworkAddress {
  const network = reader.shared();
  const ip = reader.address();
  const prefixLength = reader.optional(() => reader.number());
  return prefixLength === undefined ? { network, ip } : { network, ip, prefixLength };
}

export function writeGateway(writer: RecordWriter, gateway: GatewayAddress): void {
  writer.choice(gatewayKinds, gateway.kind);
  writer.number(gateway.hboneMtlsPort);
  if (gateway.kind === 'address') {
    writeNetworkAddress(writer, gateway.address);
  } else {
    writer.shared(gateway.hostname.namespace);
    writer.shared(gateway.hostname.hostname);
  }
}

export function readGateway(reader: RecordReader): GatewayAddress {
  const kind = reader.choice(gatewayKinds);
  const hboneMtlsPort = reader.number();
  if (kind === 'address') return { kind, address: readNetworkAddress(reader), hboneMtlsPort };
  return { kind, hostname: { namespace: reader.shared(), hostname: reader.shared() }, hboneMtlsPort };
}
