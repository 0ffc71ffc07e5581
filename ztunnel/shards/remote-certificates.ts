// Certificates for a thread that does not keep them itself: asked of the thread that does, and asked again now and then, so that
// it knows they are used and this thread has the ones that have been renewed. In: a question. Out: `CertificateSource`.
import type { CertificateSource, WorkloadCertificate } from '../../common/identity/certificate.ts';
import type { Identity } from '../../common/identity/identity.ts';
import { isValid } from '../../common/identity/rotation-plan.ts';

export interface RemoteCertificatesOptions {
  /** @throws MeshError IDENTITY_UNAVAILABLE */
  readonly ask: (identity: Identity) => Promise<WorkloadCertificate>;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

interface Held {
  certificate: WorkloadCertificate | undefined;
  askedAtMs: number;
  asking: Promise<WorkloadCertificate> | undefined;
}

const askAgainMs = 60_000;
/** Of its validity: certificates that are valid for minutes only are asked for more often. */
const askAgainPart = 16;
/** More than a node has pods. */
const maxHeld = 4_096;

export function createRemoteCertificates(options: RemoteCertificatesOptions): CertificateSource {
  return new AskedCertificates(options);
}

class AskedCertificates implements CertificateSource {
  readonly #options: RemoteCertificatesOptions;
  readonly #held = new Map<string, Held>();

  constructor(options: RemoteCertificatesOptions) {
    this.#options = options;
  }

  async get(identity: Identity): Promise<WorkloadCertificate> {
    const nowMs = this.#options.now();
    const held = this.#heldOf(identity);
    const { certificate } = held;
    if (certificate === undefined || !isValid(certificate, nowMs)) return await this.#ask(identity, held);
    const validMs = certificate.notAfterMs - certificate.notBeforeMs;
    // What is held is good for longer; who needs it when it is not is told why there is no other.
    if (nowMs - held.askedAtMs > Math.min(askAgainMs, validMs / askAgainPart))
      this.#ask(identity, held).catch(() => {});
    return certificate;
  }

  list(): readonly WorkloadCertificate[] {
    return [...this.#held.values()].flatMap(({ certificate }) => certificate ?? []);
  }

  close(): void {
    this.#held.clear();
  }

  #heldOf({ uri }: Identity): Held {
    const known = this.#held.get(uri);
    if (known !== undefined) return known;
    const oldest = this.#held.size >= maxHeld ? this.#held.keys().next() : undefined;
    if (oldest?.done === false) this.#held.delete(oldest.value);
    const held: Held = { certificate: undefined, askedAtMs: 0, asking: undefined };
    this.#held.set(uri, held);
    return held;
  }

  #ask(identity: Identity, held: Held): Promise<WorkloadCertificate> {
    held.askedAtMs = this.#options.now();
    held.asking ??= this.#options.ask(identity).then(
      (certificate) => {
        held.asking = undefined;
        held.certificate = sameOr(held.certificate, certificate);
        return held.certificate;
      },
      (error: unknown) => {
        held.asking = undefined;
        throw error;
      },
    );
    return held.asking;
  }
}

/** The value that is held already, where it is the same: what is made of it (TLS contexts) is made once. */
function sameOr(held: WorkloadCertificate | undefined, got: WorkloadCertificate): WorkloadCertificate {
  const isSame = held?.chainPem === got.chainPem && held.privateKeyPem === got.privateKeyPem;
  return isSame && held.rootsPem === got.rootsPem ? held : got;
}
