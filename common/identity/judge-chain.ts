// Whether a peer whose chain was accepted may stay: not when each way from its certificate to a root leads over one that its issuer has
// revoked. What no list tells of is good (ztunnel.md §7: unknown status is allowed). Pure: chain and lists in, verdict out.
import { X509Certificate } from 'node:crypto';
import { type CertificateKey, readCertificateKey } from './certificate-key.ts';
import type { RevocationList } from './revocation-list.ts';

export interface PeerChain {
  /** DER; the peer's own certificate first, the others in any order, roots among them or not. */
  readonly shown: readonly Buffer[];
  readonly roots: readonly X509Certificate[];
}

export type ChainVerdict =
  | { readonly kind: 'good' }
  | { readonly kind: 'revoked'; readonly serialNumber: string; readonly issuer: string }
  /** A list names one of its certificates, but from the peer's no way leads to a root. */
  | { readonly kind: 'unknown' };

/** Whether the list is surely of this issuer: its signature. */
export type BelieveList = (list: RevocationList, issuer: X509Certificate) => boolean;

type Revoked = Extract<ChainVerdict, { readonly kind: 'revoked' }>;
type Ways = 'clean' | 'revoked' | 'none';

const good = { kind: 'good' } as const;
/** More than any chain has; a peer could send many. */
export const maxShown = 16;

export function judgeChain(
  { shown, roots }: PeerChain,
  lists: readonly RevocationList[],
  believe: BelieveList,
): ChainVerdict {
  if (!shown.some((der) => isListed(readCertificateKey(der), lists))) return good;
  const walk = new ChainWalk(shown, roots, lists, believe);
  const ways = walk.fromPeer();
  if (ways === 'clean') return good;
  return walk.revoked ?? { kind: 'unknown' };
}

function isListed({ issuer, serialNumber }: CertificateKey, lists: readonly RevocationList[]): boolean {
  return lists.some((list) => list.issuer === issuer && list.serialNumbers.has(serialNumber));
}

class ChainWalk {
  /** The first that was met. */
  revoked: Revoked | undefined;
  readonly #peer: X509Certificate | undefined;
  readonly #known: readonly X509Certificate[];
  readonly #anchors: ReadonlySet<X509Certificate>;
  readonly #lists: readonly RevocationList[];
  readonly #believe: BelieveList;
  readonly #ways = new Map<X509Certificate, Ways>();

  constructor(
    shown: readonly Buffer[],
    roots: readonly X509Certificate[],
    lists: readonly RevocationList[],
    believe: BelieveList,
  ) {
    const own = new Set(roots.map(({ fingerprint256 }) => fingerprint256));
    const [peer, ...others] = shown.slice(0, maxShown).map((der) => new X509Certificate(der));
    this.#peer = peer;
    this.#known = [...roots, ...others.filter(({ fingerprint256 }) => !own.has(fingerprint256))];
    this.#anchors = new Set(roots.filter((root) => root.checkIssued(root)));
    this.#lists = lists;
    this.#believe = believe;
  }

  fromPeer(): Ways {
    return this.#peer === undefined ? 'none' : this.#from(this.#peer);
  }

  #from(certificate: X509Certificate): Ways {
    const known = this.#ways.get(certificate);
    if (known !== undefined) return known;
    // A circle leads nowhere.
    this.#ways.set(certificate, 'none');
    const ways = this.#over(certificate);
    this.#ways.set(certificate, ways);
    return ways;
  }

  #over(certificate: X509Certificate): Ways {
    let found: Ways = 'none';
    for (const issuer of this.#known) {
      if (issuer === certificate || !isIssuedBy(certificate, issuer)) continue;
      const ways = this.#isRevoked(certificate, issuer) ? 'revoked' : this.#beyond(issuer);
      if (ways === 'clean') return ways;
      if (ways === 'revoked') found = ways;
    }
    return found;
  }

  #beyond(issuer: X509Certificate): Ways {
    return this.#anchors.has(issuer) ? 'clean' : this.#from(issuer);
  }

  #isRevoked(certificate: X509Certificate, issuer: X509Certificate): boolean {
    const key = readCertificateKey(certificate.raw);
    const isSo = this.#lists.some((list) => isListed(key, [list]) && this.#believe(list, issuer));
    if (isSo) {
      const name = certificate.issuer.replaceAll('\n', ', ');
      this.revoked ??= { kind: 'revoked', serialNumber: certificate.serialNumber, issuer: name };
    }
    return isSo;
  }
}

function isIssuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}
