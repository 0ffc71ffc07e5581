// Decides which tunnel carries a new stream: one that has room, one that is being dialled, or a new one (ztunnel.md §3.5),
// and whether another one is to be dialled because all that there are keep new streams waiting.
// In: what the tunnels of one key look like now, how many streams one may carry, how many may be dialled. Out: the choice.
import type { EnvReader } from '../config/env-reader.ts';
import type { Congestion } from '../http2/send-backlog.ts';

export interface TunnelFacts {
  /** 'closing': GOAWAY, drained or broken; it takes nothing new. */
  readonly state: 'dialling' | 'open' | 'closing';
  /** Streams that it carries, or that wait for its dial. */
  readonly streams: number;
  /** What its peer allows; infinite until it has said so. */
  readonly peerLimit: number;
  readonly congestion: Congestion;
}

export type TunnelChoice<T> =
  /** 'use-and-dial': another one is dialled for those who come later. */
  { readonly kind: 'use' | 'use-and-dial'; readonly tunnel: T } | { readonly kind: 'dial' };

/** Of one next hop and source. */
export const defaultMaxBusyTunnels = 4;

/** `AMBIENTD_POOL_MAX_BUSY_TUNNELS`: as many tunnels of one next hop and source may be dialled because the others are congested; 1: none is. */
export function readMaxBusyTunnels(read: EnvReader): number {
  return read.integer('AMBIENTD_POOL_MAX_BUSY_TUNNELS', defaultMaxBusyTunnels, { min: 1, max: 1_000 });
}

/**
 * The first open tunnel with room that is not congested, so that later ones fall idle and are released. Where all are, the least
 * congested one, and another is dialled meanwhile: nobody waits for that, unless the others are stuck. Where none has room, one
 * on its way, else a new one.
 * @param growTo another tunnel is dialled for congestion while there are fewer than this
 */
export function chooseTunnel<T extends TunnelFacts>(
  tunnels: Iterable<T>,
  maxStreams: number,
  growTo: number,
): TunnelChoice<T> {
  // A tunnel on its way will hardly be allowed more than the others of its peer are.
  let most = maxStreams;
  let living = 0;
  let onTheirWay = 0;
  let best: T | undefined;
  let congestionOfBest: Congestion = 'stuck';
  for (const tunnel of tunnels) {
    most = Math.min(most, Math.max(1, tunnel.peerLimit));
    if (tunnel.state !== 'closing') living += 1;
    if (tunnel.state === 'dialling') onTheirWay += 1;
    if (tunnel.state !== 'open' || tunnel.streams >= Math.min(maxStreams, tunnel.peerLimit)) continue;
    const { congestion } = tunnel;
    if (congestion === 'none') return { kind: 'use', tunnel };
    const isBetter =
      congestion === congestionOfBest ? tunnel.streams < (best?.streams ?? Infinity) : congestion === 'busy';
    if (!isBetter) continue;
    best = tunnel;
    congestionOfBest = congestion;
  }
  const grows = onTheirWay === 0 && living < growTo;
  if (best !== undefined && congestionOfBest !== 'stuck') return { kind: grows ? 'use-and-dial' : 'use', tunnel: best };
  for (const tunnel of tunnels) {
    if (tunnel.state === 'dialling' && tunnel.streams < most) return { kind: 'use', tunnel };
  }
  return best === undefined || grows ? { kind: 'dial' } : { kind: 'use', tunnel: best };
}
