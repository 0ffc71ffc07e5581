// The frame of `istio-peer-exchange`: magic, length, an Any that holds a Struct with the peer's metadata and node id. Bytes to values and
// back; what follows a frame belongs to the application. Source: waypoint-telemetry.md §5.1.
import protobuf from 'protobufjs/minimal.js';
import type { PeerMetadata } from './peer-metadata.ts';
import { metadataOfStruct, structOfMetadata, textAt } from './peer-metadata-struct.ts';
import { decodeStruct, encodeStruct, isStruct, type StructValue } from './struct-codec.ts';

/** By this protocol name in ALPN both ends agree to exchange. */
export const peerExchangeProtocol = 'istio-peer-exchange';

export interface ToldPeer {
  readonly metadata: PeerMetadata;
  /** Envoy's node id, e.g. `sidecar~10.0.0.7~ratings-v2-5f8.default~default.svc.cluster.local`; "" where there is none. */
  readonly nodeId: string;
}

export type ExchangeRead =
  /** As far as it goes, it may still be a frame. */
  | { readonly kind: 'incomplete'; readonly part: 'header' | 'payload' }
  /** Application bytes, all of them. */
  | { readonly kind: 'no-frame' }
  | { readonly kind: 'too-large'; readonly payloadBytes: number }
  /** A frame that cannot be read; it is as long as it says. */
  | { readonly kind: 'malformed'; readonly frameBytes: number; readonly reason: string }
  | { readonly kind: 'frame'; readonly frameBytes: number; readonly peer: ToldPeer };

const magic = Buffer.from([0x3d, 0x23, 0x04, 0x67]);
const headerBytes = 8;
/** Istio's frames have some hundred bytes; very old ones, with every label of a pod, some thousand. */
export const maxPayloadBytes = 65_536;

const typePrefix = 'type.googleapis.com/';
const structType = 'google.protobuf.Struct';
const metadataKey = 'x-envoy-peer-metadata';
const nodeIdKey = 'x-envoy-peer-metadata-id';

export function encodeExchange({ metadata, nodeId }: ToldPeer): Buffer {
  const told = new Map<string, StructValue>([[metadataKey, structOfMetadata(metadata)]]);
  if (nodeId !== '') told.set(nodeIdKey, nodeId);
  const any = protobuf.Writer.create();
  any
    .uint32(0x0a)
    .string(typePrefix + structType)
    .uint32(0x12)
    .bytes(encodeStruct(told));
  const payload = any.finish();
  const length = Buffer.alloc(4);
  length.writeUInt32BE(payload.length);
  return Buffer.concat([magic, length, payload]);
}

/** @param bytes everything that has come so far */
export function readExchange(bytes: Buffer): ExchangeRead {
  const start = Math.min(bytes.length, magic.length);
  if (!bytes.subarray(0, start).equals(magic.subarray(0, start))) return { kind: 'no-frame' };
  if (bytes.length < headerBytes) return { kind: 'incomplete', part: 'header' };
  const payloadBytes = bytes.readUInt32BE(magic.length);
  if (payloadBytes > maxPayloadBytes) return { kind: 'too-large', payloadBytes };
  const frameBytes = headerBytes + payloadBytes;
  if (bytes.length < frameBytes) return { kind: 'incomplete', part: 'payload' };
  try {
    return { kind: 'frame', frameBytes, peer: readPayload(bytes.subarray(headerBytes, frameBytes)) };
  } catch (error) {
    return { kind: 'malformed', frameBytes, reason: error instanceof Error ? error.message : String(error) };
  }
}

function readPayload(bytes: Buffer): ToldPeer {
  const reader = protobuf.Reader.create(bytes);
  let typeUrl = '';
  let value: Uint8Array = Buffer.alloc(0);
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if (tag === 0x0a) typeUrl = reader.string();
    else if (tag === 0x12) value = reader.bytes();
    else reader.skipType(tag & 7);
  }
  if (typeUrl.split('/').at(-1) !== structType) throw new Error(`its type is "${typeUrl}", not ${structType}`);
  const told = decodeStruct(value);
  const metadata = told.get(metadataKey);
  if (!isStruct(metadata)) throw new Error(`it has no ${metadataKey}`);
  return { metadata: metadataOfStruct(metadata), nodeId: textAt(told, nodeIdKey) };
}
