// Decides which tunnel carries a new stream: one that has room, one that is being dialled, or a new one (ztunnel.md §3.5).
// In: what the tunnels of one key look like now, how many streams one may carry. Out: the choice.

export interface TunnelFacts {
  /** 'closing': GOAWAY, drained or broken; it takes nothing new. */
  readonly state: 'dialling' | 'open' | 'closing';
  /** Streams that it carries, or that wait for its dial. */
  readonly streams: number;
  /** What its peer allows; infinite until it has said so. */
  readonly peerLimit: number;
}

export type TunnelChoice<T> = { readonly kind: 'use'; readonly tunnel: T } | { readonly kind: 'dial' };

/** The first open tunnel with room, so that later ones fall idle and are released; else one on its way; else a new one. */
export function chooseTunnel<T extends TunnelFacts>(tunnels: Iterable<T>, maxStreams: number): TunnelChoice<T> {
  // A tunnel on its way will hardly be allowed more than the others of its peer are.
  let most = maxStreams;
  for (const tunnel of tunnels) {
    most = Math.min(most, Math.max(1, tunnel.peerLimit));
    if (tunnel.state !== 'open' || tunnel.streams >= Math.min(maxStreams, tunnel.peerLimit)) continue;
    return { kind: 'use', tunnel };
  }
  for (const tunnel of tunnels) {
    if (tunnel.state === 'dialling' && tunnel.streams < most) return { kind: 'use', tunnel };
  }
  return { kind: 'dial' };
}
