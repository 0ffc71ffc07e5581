// Whether a connection into the pod keeps the address of who asked for it, so that the application sees its real peer.
// In: the setting, whether the listener may (IP_TRANSPARENT), both ends. Out: the address to connect from, or none.
import { type IpAddress, isLoopback, type SocketAddress } from '../../common/net/address.ts';

export type OriginalSource = 'required' | 'never' | 'if-possible';

export interface OriginalSourceFacts {
  readonly setting: OriginalSource;
  readonly listener: { readonly transparent: boolean };
  readonly source: SocketAddress;
  readonly destination: SocketAddress;
}

/** A loopback source needs no permission; a pod that calls itself keeps nothing (ztunnel.md §4.6 step 7). */
export function sourceToKeep({ setting, listener, source, destination }: OriginalSourceFacts): IpAddress | undefined {
  if (setting === 'never' || source.ip === destination.ip) return undefined;
  return listener.transparent || isLoopback(source.ip) ? source.ip : undefined;
}
