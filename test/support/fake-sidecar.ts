// Istio's sidecar as its peers see it, over node:tls alone: which protocols it offers and picks, when it sends its frame, what it takes
// for one (waypoint-telemetry.md §5.1). Strict: what a real one would refuse or hand to the application is noted as a fault.
import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { connect, createServer, type TLSSocket } from 'node:tls';
import protobuf from 'protobufjs';
import type { WorkloadCertificate } from '../../common/identity/certificate.ts';

const magic = Buffer.from('3d230467', 'hex');
const { Any, Struct } = messages();

/** What the peer's frame says, read by protobufjs from Google's definitions. */
export type Told = Readonly<Record<string, unknown>>;

/** One connection behind the TLS of a sidecar: the application's bytes, the exchange taken care of. */
export class SidecarStream extends Duplex {
  readonly tls: TLSSocket;
  /** What TLS stands on, where it is ours to reset. */
  readonly transport: Socket;
  /** As its certificate has it: `URI:spiffe://…`. */
  readonly peerName: string | undefined;
  readonly faults: string[] = [];
  told: Told | undefined;
  readonly #frame: Buffer;
  #sent: boolean;
  #reading: 'frame' | 'application';
  #held = Buffer.alloc(0);

  constructor(tls: TLSSocket, transport: Socket, frame: Buffer) {
    super({ allowHalfOpen: true });
    this.tls = tls;
    this.transport = transport;
    this.peerName = tls.getPeerCertificate().subjectaltname;
    this.#frame = frame;
    const exchanges = tls.alpnProtocol === 'istio-peer-exchange';
    this.#sent = !exchanges;
    this.#reading = exchanges ? 'frame' : 'application';
    tls.on('data', (chunk: Buffer) => this.#received(chunk));
    tls.on('end', () => {
      if (this.#reading === 'frame') this.faults.push(`the peer ended after ${this.#held.length} bytes of its frame`);
      this.push(null);
    });
    tls.on('error', (error) => this.destroy(error));
    tls.on('close', () => this.destroy());
  }

  override _read(): void {
    this.tls.resume();
  }
  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: () => void): void {
    this.#sendFrame();
    this.tls.write(chunk);
    callback();
  }
  override _final(callback: () => void): void {
    this.#sendFrame();
    this.tls.end(callback);
  }
  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    this.tls.destroy();
    callback(error);
  }

  /** As Envoy: with the first byte in either direction. */
  #sendFrame(): void {
    if (this.#sent) return;
    this.#sent = true;
    this.tls.write(this.#frame);
  }

  #received(chunk: Buffer): void {
    this.#sendFrame();
    if (this.#reading === 'application') return void this.push(chunk);
    this.#held = Buffer.concat([this.#held, chunk]);
    if (!this.#held.subarray(0, 4).equals(magic.subarray(0, Math.min(4, this.#held.length)))) {
      this.faults.push(`no frame first, but ${this.#held.subarray(0, 16).toString('latin1')}`);
      this.#pass(this.#held);
      return;
    }
    if (this.#held.length < 8) return;
    const end = 8 + this.#held.readUInt32BE(4);
    if (this.#held.length < end) return;
    this.told = this.#readFrame(this.#held.subarray(8, end));
    this.#pass(this.#held.subarray(end));
  }

  #readFrame(payload: Buffer): Told {
    const any = Any.toObject(Any.decode(payload));
    if (any['type_url'] !== 'type.googleapis.com/google.protobuf.Struct') this.faults.push(`type ${any['type_url']}`);
    const told = plainStruct(Struct.toObject(Struct.decode(any['value'])));
    const keys = Object.keys(told).sort().join();
    if (keys !== 'x-envoy-peer-metadata,x-envoy-peer-metadata-id') this.faults.push(`keys ${keys}`);
    return told;
  }

  #pass(rest: Buffer): void {
    this.#reading = 'application';
    if (rest.length > 0) this.push(rest);
  }
}

export interface SidecarServer {
  readonly port: number;
  /** Takes a connection that was accepted elsewhere. */
  accept(socket: Socket): void;
  readonly connections: readonly SidecarStream[];
  /** Why handshakes failed. */
  readonly refusals: readonly string[];
  close(): Promise<void>;
}

/** @param as what the port is for the sidecar: `tcp` takes part in the exchange, `http` names no protocol of ours */
export async function startSidecarServer(options: {
  readonly host: string;
  readonly port: number;
  readonly certificate: WorkloadCertificate;
  readonly frame: Buffer;
  readonly as: 'tcp' | 'http';
  readonly serve: (stream: SidecarStream) => void;
}): Promise<SidecarServer> {
  const { host, port, certificate, frame, as } = options;
  const connections: SidecarStream[] = [];
  const refusals: string[] = [];
  const sockets = new Set<Socket>();
  const protocols = as === 'tcp' ? { ALPNProtocols: ['istio-peer-exchange', 'h2', 'http/1.1'] } : {};
  const server = createServer({
    ...identityOptions(certificate),
    requestCert: true,
    ...protocols,
    allowHalfOpen: true,
  });
  server.on('connection', (socket) => sockets.add(socket));
  server.on('tlsClientError', (error) => refusals.push(error.message));
  server.on('secureConnection', (tls) => {
    const stream = new SidecarStream(tls, transportOf(tls, sockets), frame);
    connections.push(stream);
    stream.on('error', () => {});
    options.serve(stream);
  });
  server.listen(port, host);
  await once(server, 'listening');
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    accept: (socket) => void server.emit('connection', socket),
    connections,
    refusals,
    async close() {
      for (const socket of [...connections, ...sockets]) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/** What a sidecar offers for its application: TCP, HTTP/1.1 or HTTP/2. */
export const sidecarProtocols = {
  tcp: ['istio-peer-exchange', 'istio'],
  http1: ['istio-http/1.1', 'istio', 'http/1.1'],
  http2: ['istio-h2', 'istio', 'h2'],
} as const;

/** Connects as a sidecar's outbound cluster does. @throws where TLS fails */
export async function connectAsSidecar(options: {
  readonly host: string;
  readonly port: number;
  readonly localAddress?: string;
  /** Already connected, in place of the three above. */
  readonly socket?: Socket;
  readonly certificate: WorkloadCertificate;
  readonly frame: Buffer;
  readonly protocols?: readonly string[];
  readonly serverName?: string;
  /** Between the TCP connection and the first byte of TLS. */
  readonly hesitateMs?: number;
}): Promise<SidecarStream> {
  const { certificate, frame, protocols = sidecarProtocols.tcp, hesitateMs } = options;
  const socket = options.socket ?? (await dial(options));
  if (hesitateMs !== undefined) await new Promise((resolve) => setTimeout(resolve, hesitateMs));
  const tls = connect({
    socket,
    ...identityOptions(certificate),
    ALPNProtocols: [...protocols],
    ...(options.serverName && { servername: options.serverName }),
    checkServerIdentity: () => undefined,
  });
  await once(tls, 'secureConnect');
  const stream = new SidecarStream(tls, socket, frame);
  stream.on('error', () => {});
  return stream;
}

async function dial({ host, port, localAddress }: Parameters<typeof connectAsSidecar>[0]): Promise<Socket> {
  const socket = connectTcp({ host, port, ...(localAddress && { localAddress }), allowHalfOpen: true, noDelay: true });
  await once(socket, 'connect');
  return socket;
}

/** By the port of its peer. */
function transportOf(tls: TLSSocket, accepted: Iterable<Socket>): Socket {
  for (const socket of accepted) if (socket.remotePort === tls.remotePort) return socket;
  throw new Error('TLS on a socket that was not accepted here');
}

function identityOptions({ privateKeyPem: key, chainPem: cert, rootsPem: ca }: WorkloadCertificate) {
  return { key, cert, ca, rejectUnauthorized: true, minVersion: 'TLSv1.2' as const };
}

function messages() {
  const root = new protobuf.Root();
  root.addJSON(protobuf.common.get('google/protobuf/any.proto')?.nested ?? {});
  root.addJSON(protobuf.common.get('google/protobuf/struct.proto')?.nested ?? {});
  return { Any: root.lookupType('google.protobuf.Any'), Struct: root.lookupType('google.protobuf.Struct') };
}

type StructJson = { readonly fields?: Readonly<Record<string, ValueJson>> };
type ValueJson = { readonly stringValue?: string; readonly structValue?: StructJson };

function plainStruct({ fields = {} }: StructJson): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, { stringValue, structValue }]) => [
      name,
      structValue === undefined ? stringValue : plainStruct(structValue),
    ]),
  );
}
