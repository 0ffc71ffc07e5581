// What peers tell of themselves, judged once for all the ways they tell it: what contradicts the certificate is dropped, counted, and said in
// the log, where no peer can roll it. In: metadata with what is proven. Out: the metadata that may be used.
import type { Identity } from '../identity/identity.ts';
import type { Logger } from '../log.ts';
import { formatSocketAddress, type SocketAddress } from '../net/address.ts';
import { FailureLimit } from '../telemetry/failure-limit.ts';
import { addOnce, type Recorder } from '../telemetry/recorder.ts';
import { believePeer, type PeerClaim } from './believe-peer.ts';
import type { ExchangeOutcome } from './peer-exchange-session.ts';
import type { PeerMetadata } from './peer-metadata.ts';

export type PeerMetadataCarrier = 'baggage' | 'istio-peer-exchange' | 'headers';

/** Who tells it. */
export interface ClaimingPeer {
  readonly address: SocketAddress;
  /** From its certificate; undefined: nothing is proven. */
  readonly identity: Identity | undefined;
}

export interface PeerClaims {
  /** @returns undefined for what is not believed */
  judge<T extends PeerClaim>(carrier: PeerMetadataCarrier, claim: T, peer: ClaimingPeer): T | undefined;
  /** @returns undefined where nothing was told, or nothing is believed */
  judgeExchange(outcome: ExchangeOutcome, peer: ClaimingPeer): PeerMetadata | undefined;
}

const metric = {
  name: 'ambientd_peer_metadata_total',
  help: 'What peers told of themselves by each way, and what became of it: believed, contradicts (their certificate), or why nothing came',
  kind: 'counter',
  labelNames: ['carrier', 'outcome'],
} as const;

/** A second, for each way; how many more there were is in the metric. */
const linesPerSecond = 10;

export function createPeerClaims({ recorder, log }: { readonly recorder: Recorder; readonly log: Logger }): PeerClaims {
  const limit = new FailureLimit(linesPerSecond);
  const count = (carrier: PeerMetadataCarrier, outcome: string): void =>
    addOnce(recorder.counter(metric, [carrier, outcome]), 1);
  const judge = <T extends PeerClaim>(
    carrier: PeerMetadataCarrier,
    claim: T,
    { address, identity }: ClaimingPeer,
  ): T | undefined => {
    const belief = believePeer(claim, identity);
    count(carrier, belief.kind);
    if (belief.kind === 'believed') return belief.claim;
    if (limit.admit(carrier, 'PEER_IDENTITY_MISMATCH', performance.now()) === 'counted') return undefined;
    const facts = { 'peer.addr': formatSocketAddress(address), 'peer.identity': identity?.uri, carrier };
    log.warn({ ...facts, error: belief.detail }, 'peer metadata is not believed');
    return undefined;
  };
  return {
    judge,
    judgeExchange(outcome, peer) {
      if (outcome.kind === 'told') return judge('istio-peer-exchange', outcome.peer.metadata, peer);
      count('istio-peer-exchange', outcome.reason);
      return undefined;
    },
  };
}
