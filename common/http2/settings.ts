// HTTP/2 SETTINGS (RFC 9113 §6.5): what we announce on each side (ztunnel.md §3.2), and what a peer announces, validated.
// In: the payload of a frame, the settings so far. Out: the new settings or a fault.
import { type ConnectionFault, fault } from './error-code.ts';
import { defaultWindowBytes, maxWindowBytes } from './flow-control.ts';

const ids = {
  HEADER_TABLE_SIZE: 1,
  ENABLE_PUSH: 2,
  MAX_CONCURRENT_STREAMS: 3,
  INITIAL_WINDOW_SIZE: 4,
  MAX_FRAME_SIZE: 5,
  MAX_HEADER_LIST_SIZE: 6,
} as const;
const entryBytes = 6;
/** More entries than settings exist, many times over. */
const maxEntries = 64;

/** Of MAX_FRAME_SIZE (RFC 9113 §6.5.2). */
export const frameBytesRange = { min: 16_384, max: 16_777_215 } as const;

/** What a peer lets us do. Until its SETTINGS arrive, `initialPeerSettings` hold. */
export interface PeerSettings {
  readonly maxConcurrentStreams: number;
  readonly initialWindowBytes: number;
  readonly maxFrameBytes: number;
  readonly maxHeaderListBytes: number;
}

export const initialPeerSettings: PeerSettings = {
  maxConcurrentStreams: Number.POSITIVE_INFINITY,
  initialWindowBytes: defaultWindowBytes,
  maxFrameBytes: frameBytesRange.min,
  maxHeaderListBytes: Number.POSITIVE_INFINITY,
};

/** What the peer may send before we have taken it: the same on both sides (ztunnel.md §2, §3.2). */
export interface FlowSettings {
  /** At most 2^31-1. Default 4 MiB. */
  readonly streamWindowBytes: number;
  /** The most it grows to (`connection-window.ts`): 65535, which no side can lower, to 2^31-1. Default 16 MiB. */
  readonly connectionWindowBytes: number;
  /** 16384 to 16777215. Default 1 MiB. */
  readonly maxFrameBytes: number;
}

export const defaultFlow: FlowSettings = {
  streamWindowBytes: 4 << 20,
  connectionWindowBytes: 16 << 20,
  maxFrameBytes: 1 << 20,
};

/** What we let the peer do. */
export interface OwnSettings extends FlowSettings {
  readonly role: 'client' | 'server';
  /** Streams the peer may have open; a client's peer opens none. */
  readonly maxConcurrentStreams: number;
  readonly maxHeaderListBytes: number;
}

export const clientSettings: OwnSettings = {
  role: 'client',
  maxConcurrentStreams: 0,
  maxHeaderListBytes: 16_384,
  ...defaultFlow,
};

export const serverSettings: OwnSettings = {
  role: 'server',
  maxConcurrentStreams: 200,
  maxHeaderListBytes: 65_536,
  ...defaultFlow,
};

export function encodeSettings(own: OwnSettings): Buffer {
  const entries: [number, number][] = [
    own.role === 'client' ? [ids.ENABLE_PUSH, 0] : [ids.MAX_CONCURRENT_STREAMS, own.maxConcurrentStreams],
    [ids.INITIAL_WINDOW_SIZE, own.streamWindowBytes],
    [ids.MAX_FRAME_SIZE, own.maxFrameBytes],
    [ids.MAX_HEADER_LIST_SIZE, own.maxHeaderListBytes],
  ];
  const payload = Buffer.alloc(entries.length * entryBytes);
  for (const [index, [id, value]] of entries.entries()) {
    payload.writeUInt16BE(id, index * entryBytes);
    payload.writeUInt32BE(value, index * entryBytes + 2);
  }
  return payload;
}

/** Unknown settings are ignored, as §6.5.2 asks. */
export function applySettings(before: PeerSettings, payload: Buffer): PeerSettings | ConnectionFault {
  if (payload.length % entryBytes !== 0) {
    return fault('FRAME_SIZE_ERROR', `SETTINGS of ${payload.length} bytes; a multiple of 6 is due`);
  }
  if (payload.length > maxEntries * entryBytes) return fault('ENHANCE_YOUR_CALM', 'SETTINGS with too many entries');
  let settings: PeerSettings = before;
  for (let at = 0; at < payload.length; at += entryBytes) {
    const next = applyOne(settings, payload.readUInt16BE(at), payload.readUInt32BE(at + 2));
    if ('kind' in next) return next;
    settings = next;
  }
  return settings;
}

function applyOne(settings: PeerSettings, id: number, value: number): PeerSettings | ConnectionFault {
  switch (id) {
    case ids.ENABLE_PUSH:
      return value > 1 ? fault('PROTOCOL_ERROR', `ENABLE_PUSH is ${value}; 0 or 1 is due`) : settings;
    case ids.MAX_CONCURRENT_STREAMS:
      return { ...settings, maxConcurrentStreams: value };
    case ids.INITIAL_WINDOW_SIZE:
      if (value > maxWindowBytes) return fault('FLOW_CONTROL_ERROR', `INITIAL_WINDOW_SIZE of ${value} is above 2^31-1`);
      return { ...settings, initialWindowBytes: value };
    case ids.MAX_FRAME_SIZE:
      if (value < frameBytesRange.min || value > frameBytesRange.max)
        return fault('PROTOCOL_ERROR', `MAX_FRAME_SIZE of ${value} is out of range`);
      return { ...settings, maxFrameBytes: value };
    case ids.MAX_HEADER_LIST_SIZE:
      return { ...settings, maxHeaderListBytes: value };
    default:
      return settings;
  }
}
