// Peer metadata in HTTP headers, as sidecars send it: `x-envoy-peer-metadata` (a Struct in base64) and `x-envoy-peer-metadata-id`.
// In: the model. Out: header values; and back. What cannot be read is no peer, never an error. Source: waypoint-telemetry.md §5.2.
import type { ToldPeer } from './peer-exchange-codec.ts';
import { maxPayloadBytes } from './peer-exchange-codec.ts';
import { noMetadata, type PeerMetadata } from './peer-metadata.ts';
import { metadataOfStruct, structOfMetadata } from './peer-metadata-struct.ts';
import { decodeStruct, encodeStruct } from './struct-codec.ts';

export const peerMetadataHeader = 'x-envoy-peer-metadata';
export const peerMetadataIdHeader = 'x-envoy-peer-metadata-id';

export function encodePeerMetadata(metadata: PeerMetadata): string {
  return encodeStruct(structOfMetadata(metadata)).toString('base64');
}

/** Padding may be missing. Undefined for anything else that is not base64 of a Struct. */
export function decodePeerMetadata(header: string): PeerMetadata | undefined {
  if (header.length > (maxPayloadBytes * 4) / 3 || !/^[A-Za-z0-9+/]+={0,2}$/.test(header)) return undefined;
  try {
    return metadataOfStruct(decodeStruct(Buffer.from(header, 'base64')));
  } catch {
    return undefined;
  }
}

/** @param headers values by lower-case name. Undefined where neither header tells anything. */
export function readPeerHeaders(headers: (name: string) => string | undefined): ToldPeer | undefined {
  const nodeId = headers(peerMetadataIdHeader);
  const text = headers(peerMetadataHeader);
  const metadata = text === undefined ? undefined : decodePeerMetadata(text);
  if (nodeId === undefined && metadata === undefined) return undefined;
  return { metadata: metadata ?? noMetadata, nodeId: nodeId ?? '' };
}
