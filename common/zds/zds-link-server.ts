// The agent's end of one ZDS connection: checks ztunnel's hello, then sends requests strictly one at a time and waits for
// each acknowledgement. A request in; done, refused by ztunnel, or the connection lost, out. Source: istio-control.md §2.10.
import { MeshError } from '../errors.ts';
import { closeDescriptors, type SeqpacketConnection } from '../net/seqpacket-socket.ts';
import { decodeAcknowledgement, decodeHello, encodeRequest, type ZdsRequest, zdsVersion } from './zds-codec.ts';

export type ExchangeOutcome =
  | { readonly kind: 'done' }
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'lost'; readonly reason: string }
  /** Its turn came, and there was nothing to send any more. */
  | { readonly kind: 'dropped' };

export interface Outgoing {
  readonly request: ZdsRequest;
  readonly descriptors: readonly number[];
}

const deadlineMs = 5_000;

export class ZdsLink {
  private readonly connection: SeqpacketConnection;
  private turn: Promise<unknown> = Promise.resolve();
  private waiting: ((outcome: ExchangeOutcome) => void) | undefined;
  private lost: string | undefined;

  constructor(connection: SeqpacketConnection) {
    this.connection = connection;
  }

  /** @throws MeshError RESOURCE_INVALID on another hello, CONNECTION_RESET on none */
  async greet(): Promise<void> {
    const timer = setTimeout(() => this.connection.close(), deadlineMs);
    try {
      const { bytes, descriptors } = await this.connection.receive();
      closeDescriptors(descriptors);
      if (bytes.length === 0) throw new MeshError('CONNECTION_RESET', 'ztunnel left without a hello');
      const version = decodeHello(bytes);
      if (version === zdsVersion) return;
      throw new MeshError('RESOURCE_INVALID', `ztunnel speaks ZDS version ${version}, expected ${zdsVersion}`);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Reads acknowledgements until the connection ends. @returns why it ended */
  async listen(): Promise<string> {
    try {
      for (;;) {
        const { bytes, descriptors } = await this.connection.receive();
        closeDescriptors(descriptors);
        if (bytes.length === 0) return this.end('ztunnel closed the connection');
        if (this.waiting === undefined) return this.end('ztunnel sent a message that nobody asked for');
        const { error } = decodeAcknowledgement(bytes);
        this.answer(error === undefined ? { kind: 'done' } : { kind: 'refused', reason: error });
      }
    } catch (error) {
      return this.end(error instanceof Error ? error.message : String(error));
    }
  }

  /** @param prepare asked when the turn has come, so that nothing is sent that has changed meanwhile */
  exchange(prepare: () => Outgoing | undefined): Promise<ExchangeOutcome> {
    const outcome = this.turn.then(() => this.exchangeNow(prepare()));
    this.turn = outcome;
    return outcome;
  }

  close(): void {
    this.end('the agent closed the connection');
  }

  private exchangeNow(outgoing: Outgoing | undefined): Promise<ExchangeOutcome> | ExchangeOutcome {
    if (this.lost !== undefined) return { kind: 'lost', reason: this.lost };
    if (outgoing === undefined) return { kind: 'dropped' };
    try {
      this.connection.send(encodeRequest(outgoing.request), outgoing.descriptors);
    } catch (error) {
      return { kind: 'lost', reason: this.end(error instanceof Error ? error.message : String(error)) };
    }
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.end(`ztunnel did not answer within ${deadlineMs} ms`), deadlineMs);
      this.waiting = (outcome) => {
        clearTimeout(timer);
        resolve(outcome);
      };
    });
  }

  private answer(outcome: ExchangeOutcome): void {
    const waiting = this.waiting;
    this.waiting = undefined;
    waiting?.(outcome);
  }

  private end(reason: string): string {
    this.lost ??= reason;
    this.connection.close();
    this.answer({ kind: 'lost', reason: this.lost });
    return this.lost;
  }
}
