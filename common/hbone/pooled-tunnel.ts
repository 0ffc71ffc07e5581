// One tunnel in the pool, from its dial to its end: who waits for it, how many streams it carries, when it has idled too long.
import { type Deadlines, deadlinesAfter } from '../deadlines.ts';
import { asError, MeshError } from '../errors.ts';
import type { ConnectionHandlers } from '../http2/connection-socket.ts';
import type { Congestion } from '../http2/send-backlog.ts';
import type { Logger } from '../log.ts';
import type { TunnelFacts } from './pool-policy.ts';
import type { OpenTunnel } from './tunnel-client.ts';

type DialHandlers = Pick<ConnectionHandlers, 'onStreamClosed' | 'onGoAway' | 'onClosed'>;

export interface PooledTunnelFacts {
  readonly idleTimeoutMs: number;
  readonly log: Logger;
  readonly peerName: string;
  /** Once: the tunnel is over, or its dial failed. */
  readonly onGone: () => void;
}

export class PooledTunnel implements TunnelFacts {
  state: 'dialling' | 'open' | 'closing' = 'dialling';
  private readonly facts: PooledTunnelFacts;
  private readonly dialled: Promise<OpenTunnel>;
  /** Once its dial has succeeded. Whoever takes it opens its stream in the same turn. */
  open: OpenTunnel | undefined;
  private waiting = 0;
  private readonly idle: Deadlines;
  private readonly onIdle = (): void => {
    if (this.streams === 0) this.release();
  };
  private end: 'due' | 'told' = 'due';

  constructor(dial: (handlers: DialHandlers) => Promise<OpenTunnel>, facts: PooledTunnelFacts) {
    this.facts = facts;
    this.idle = deadlinesAfter(facts.idleTimeoutMs);
    this.dialled = dial({
      onStreamClosed: () => this.watchIdle(),
      onGoAway: () => {
        this.state = 'closing';
      },
      onClosed: (reason) => {
        facts.log.debug({ 'dst.addr': facts.peerName, reason: reason.message }, 'tunnel closed');
        this.gone();
      },
    });
    this.dialled.then(
      (open) => this.opened(open),
      (error: unknown) => this.failed(asError(error)),
    );
  }

  get streams(): number {
    return this.waiting + (this.open?.connection.session.streams.size ?? 0);
  }
  get peerLimit(): number {
    return this.open?.connection.session.peer.maxConcurrentStreams ?? Number.POSITIVE_INFINITY;
  }
  get congestion(): Congestion {
    return this.open?.connection.congestion ?? 'none';
  }
  get notAfterMs(): number {
    return this.open?.notAfterMs ?? Number.POSITIVE_INFINITY;
  }

  /** Waits for the dial; the caller opens its stream in the same turn. @throws MeshError of the dial */
  async join(): Promise<OpenTunnel> {
    this.waiting += 1;
    try {
      return await this.dialled;
    } finally {
      this.waiting -= 1;
    }
  }

  /** Takes nothing new; closes once its streams have ended. */
  release(): void {
    const before = this.state;
    this.state = 'closing';
    this.idle.callOff(this.onIdle);
    // Who waits for the dial still gets its stream, in the turn in which it ends.
    if (before === 'dialling') this.dialled.then(() => setImmediate(() => this.release())).catch(() => {});
    else this.open?.connection.drain();
  }

  destroy(): void {
    this.state = 'closing';
    const reason = new MeshError('DRAINED', `the tunnel with ${this.facts.peerName} was closed by this proxy`);
    this.dialled.then(({ connection }) => connection.destroy(reason)).catch(() => {});
  }

  private opened(open: OpenTunnel): void {
    this.open = open;
    if (this.state === 'dialling') this.state = 'open';
    // Who waited opens its stream in the turn of this promise; nobody left means the tunnel starts idle.
    setImmediate(() => this.watchIdle());
  }

  /** Told to those who wait; of one that was dialled for nobody yet, there is only this line. */
  private failed(error: Error): void {
    const { log, peerName } = this.facts;
    if (this.waiting === 0) log.debug({ 'dst.addr': peerName, error: error.message }, 'another tunnel was not opened');
    this.gone();
  }

  private watchIdle(): void {
    this.idle.callOff(this.onIdle);
    if (this.state !== 'open' || this.streams > 0) return;
    this.idle.set(this.onIdle);
  }

  private gone(): void {
    if (this.end === 'told') return;
    this.end = 'told';
    this.state = 'closing';
    this.idle.callOff(this.onIdle);
    this.facts.onGone();
  }
}
