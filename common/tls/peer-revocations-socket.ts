// Holds every peer to the revocation lists (ztunnel.md §7): its chain is judged after its handshake, and again with new lists, when the
// sockets of those that are revoked by then are cut. In: lists, secured sockets. Out: refusals, cut sockets, both counted.
import { X509Certificate } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import type { DetailedPeerCertificate, TLSSocket } from 'node:tls';
import { MeshError } from '../errors.ts';
import { splitCertificates } from '../identity/certificate-facts.ts';
import { isSignedBy } from '../identity/crl-signature.ts';
import { type ChainVerdict, judgeChain, maxShown } from '../identity/judge-chain.ts';
import type { RevocationList } from '../identity/revocation-list.ts';
import type { Logger } from '../log.ts';
import { MadeBefore } from '../made-before.ts';
import type { LabelValues, MetricDefinition, Recorder, Series } from '../telemetry/recorder.ts';

export interface SecuredPeer {
  /** After its handshake. It gets the reason as its error when it is cut. */
  readonly socket: TLSSocket;
  /** What its chain was verified against. */
  readonly rootsPem: string;
  /** `source`: we have dialled it. */
  readonly reporter: 'source' | 'destination';
  /** For messages. */
  readonly peerName: string;
}

export interface PeerRevocations {
  /** Why it must not stay; undefined: it may, and is watched until its socket closes. @returns CERTIFICATE_REVOKED */
  admit(peer: SecuredPeer): MeshError | undefined;
  /** The lists that hold from now on; until the first there are none. */
  use(lists: readonly RevocationList[]): void;
}

interface WatchedPeer extends SecuredPeer {
  /** DER, its own first. */
  readonly shown: readonly Buffer[];
}

const reporterLabel = ['reporter'];

const rejections: MetricDefinition = {
  name: 'istio_crl_policy_rejections_total',
  help: 'The number of handshakes and tunnels that were ended because the certificate of the peer is revoked (unstable)',
  kind: 'counter',
  labelNames: reporterLabel,
};

const untracked: MetricDefinition = {
  name: 'istio_crl_untracked_connections_total',
  help: 'The number of tunnels whose chain could not be held to the revocation lists (unstable)',
  kind: 'counter',
  labelNames: reporterLabel,
};

/** One that a list names costs some 0.3 ms, and a revoked authority may be above all. */
const peersPerTurn = 32;
/** Roots and lists are few; what strangers send must not fill memory. */
const maxKept = 64;

export function createPeerRevocations(options: { readonly recorder: Recorder; readonly log: Logger }): PeerRevocations {
  return new WatchedPeers(options.recorder, options.log);
}

class WatchedPeers implements PeerRevocations {
  readonly #log: Logger;
  readonly #rejected: Readonly<Record<SecuredPeer['reporter'], Series>>;
  readonly #untracked: Readonly<Record<SecuredPeer['reporter'], Series>>;
  readonly #peers = new Set<WatchedPeer>();
  readonly #roots = new MadeBefore(maxKept, (pem: string) =>
    splitCertificates(pem).map((each) => new X509Certificate(each)),
  );
  #lists: readonly RevocationList[] = [];
  /** By list, then by the issuer's fingerprint. */
  #believed = new Map<RevocationList, Map<string, boolean>>();

  constructor(recorder: Recorder, log: Logger) {
    const of = (metric: MetricDefinition) => {
      const series = (...values: LabelValues): Series => recorder.counter(metric, values);
      return { source: series('source'), destination: series('destination') };
    };
    this.#log = log;
    this.#rejected = of(rejections);
    this.#untracked = of(untracked);
  }

  admit(peer: SecuredPeer): MeshError | undefined {
    const shown = chainOf(peer.socket);
    if (shown.length === 0) {
      this.#countUntracked(peer, 'its certificates cannot be had');
      return undefined;
    }
    const watched = { ...peer, shown };
    const revoked = this.#judge(watched, 'invalid peer certificate: Revoked');
    if (revoked !== undefined) return revoked;
    this.#peers.add(watched);
    peer.socket.once('close', () => this.#peers.delete(watched));
    return undefined;
  }

  use(lists: readonly RevocationList[]): void {
    this.#lists = lists;
    this.#believed = new Map(lists.map((list) => [list, new Map()]));
    void this.#review(lists);
  }

  /** Of those there are: who comes meanwhile has been judged by these lists. Newer lists begin anew. */
  async #review(lists: readonly RevocationList[]): Promise<void> {
    let cut = 0;
    for (const [number, peer] of [...this.#peers].entries()) {
      if (number % peersPerTurn === peersPerTurn - 1) await setImmediate();
      if (this.#lists !== lists) break;
      if (this.#cutIfRevoked(peer)) cut += 1;
    }
    if (cut > 0) this.#log.warn({ tunnels: cut, left: this.#peers.size }, 'tunnels with revoked peers were cut');
  }

  #cutIfRevoked(peer: WatchedPeer): boolean {
    if (peer.socket.destroyed) return false;
    const revoked = this.#judge(peer, 'connection closed: peer certificate revoked by CRL');
    if (revoked === undefined) return false;
    this.#peers.delete(peer);
    peer.socket.destroy(revoked);
    return true;
  }

  /** @param words ztunnel's */
  #judge(peer: WatchedPeer, words: string): MeshError | undefined {
    if (this.#lists.length === 0) return undefined;
    const verdict = this.#verdictOn(peer);
    if (verdict.kind === 'unknown') this.#countUntracked(peer, 'its chain cannot be followed to a root');
    if (verdict.kind !== 'revoked') return undefined;
    this.#rejected[peer.reporter].add(1);
    const { serialNumber, issuer } = verdict;
    return new MeshError(
      'CERTIFICATE_REVOKED',
      `${words}: ${peer.peerName} has shown a chain with certificate ${serialNumber} of ${issuer}, which is revoked; it needs a new one`,
    );
  }

  #verdictOn({ shown, rootsPem }: WatchedPeer): ChainVerdict {
    try {
      const chain = { shown, roots: this.#roots.get(rootsPem) };
      return judgeChain(chain, this.#lists, (list, issuer) => this.#believe(list, issuer));
    } catch (error) {
      this.#log.warn({ error }, 'a chain could not be held to the revocation lists');
      return { kind: 'unknown' };
    }
  }

  #believe(list: RevocationList, issuer: X509Certificate): boolean {
    const byIssuer = this.#believed.get(list);
    const known = byIssuer?.get(issuer.fingerprint256);
    if (known !== undefined) return known;
    const believed = isSignedBy(list, issuer);
    if (byIssuer !== undefined && byIssuer.size < maxKept) {
      byIssuer.set(issuer.fingerprint256, believed);
      const subject = issuer.subject.replaceAll('\n', ', ');
      if (!believed) this.#log.warn({ issuer: subject }, 'a revocation list is not signed by the key of its issuer');
    }
    return believed;
  }

  #countUntracked({ reporter, peerName }: SecuredPeer, reason: string): void {
    this.#untracked[reporter].add(1);
    this.#log.warn({ peer: peerName, reason }, 'a tunnel is not held to the revocation lists');
  }
}

/** As far as Node has put it in order: from the peer's own certificate upwards, with roots that it knows. */
function chainOf(socket: TLSSocket): readonly Buffer[] {
  const shown: Buffer[] = [];
  let each: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true);
  // A root is its own issuer.
  for (let before: unknown; each?.raw !== undefined && each !== before && shown.length < maxShown; ) {
    shown.push(each.raw);
    before = each;
    each = each.issuerCertificate;
  }
  return shown;
}
