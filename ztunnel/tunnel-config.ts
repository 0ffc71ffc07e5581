// How much a tunnel lets a peer send, and how many connections share one: the variables of Istio's ztunnel (ztunnel.md §2).
import type { EnvReader } from '../common/config/env-reader.ts';
import { readMaxBusyTunnels } from '../common/hbone/pool-policy.ts';
import { defaultWindowBytes, maxWindowBytes } from '../common/http2/flow-control.ts';
import { defaultFlow, type FlowSettings, frameBytesRange } from '../common/http2/settings.ts';

export interface TunnelConfig {
  /**
   * `HTTP2_STREAM_WINDOW_SIZE`, 4 MiB: unread bytes of one connection. `HTTP2_CONNECTION_WINDOW_SIZE`, 16 MiB: of a tunnel.
   * `HTTP2_FRAME_SIZE`, 1 MiB. Of both ends of our tunnels, in bytes.
   */
  readonly flow: FlowSettings;
  /** `POOL_MAX_STREAMS_PER_CONNECTION`, 100: beyond it the next connection gets another tunnel. */
  readonly maxStreamsPerTunnel: number;
  /** `AMBIENTD_POOL_MAX_BUSY_TUNNELS`, 4: tunnels of one next hop and source while bulk keeps new connections waiting in each; 1: no more for that. */
  readonly maxBusyTunnels: number;
}

export function readTunnel(read: EnvReader): TunnelConfig {
  const max = maxWindowBytes;
  const connection = { min: defaultWindowBytes, max };
  return {
    flow: {
      streamWindowBytes: read.integer('HTTP2_STREAM_WINDOW_SIZE', defaultFlow.streamWindowBytes, { min: 1, max }),
      connectionWindowBytes: read.integer(
        'HTTP2_CONNECTION_WINDOW_SIZE',
        defaultFlow.connectionWindowBytes,
        connection,
      ),
      maxFrameBytes: read.integer('HTTP2_FRAME_SIZE', defaultFlow.maxFrameBytes, frameBytesRange),
    },
    maxStreamsPerTunnel: read.integer('POOL_MAX_STREAMS_PER_CONNECTION', 100, { min: 1, max: 65_535 }),
    maxBusyTunnels: readMaxBusyTunnels(read),
  };
}
