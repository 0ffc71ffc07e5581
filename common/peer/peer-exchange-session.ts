// One side of `istio-peer-exchange` on one connection, without sockets and clock. Both sides send their frame at once and wait for nothing;
// what comes in is held only while it may still be the peer's frame. In: events. Out: actions, in order; `peer` exactly once.
// Source: waypoint-telemetry.md §5.1. Unlike Envoy, a frame that cannot be read is taken out, never handed to the application.
import { MeshError } from '../errors.ts';
import { encodeExchange, peerExchangeProtocol, readExchange, type ToldPeer } from './peer-exchange-codec.ts';

export type ExchangeOutcome =
  | { readonly kind: 'told'; readonly peer: ToldPeer }
  /** `alpn-not-found`: it was not agreed. `no-frame`: it speaks, but not of itself. `late`: not within the deadline. */
  | { readonly kind: 'not-told'; readonly reason: 'alpn-not-found' | 'no-frame' | 'malformed' | 'late' | 'ended' };

export type ExchangeAction =
  /** To the peer, before any byte of the application. */
  | { readonly kind: 'send'; readonly bytes: Buffer }
  | { readonly kind: 'peer'; readonly outcome: ExchangeOutcome }
  /** To the application. */
  | { readonly kind: 'deliver'; readonly bytes: Buffer }
  | { readonly kind: 'fail'; readonly error: MeshError };

export interface ExchangeStart {
  /** What TLS has negotiated; undefined: nothing. */
  readonly alpn: string | undefined;
  readonly own: ToldPeer;
}

type State =
  /** `settled`: what the peer says comes too late to count, but its frame is still no business of the application. */
  | { readonly kind: 'reading'; readonly held: Buffer; readonly outcome: 'open' | 'settled' }
  | { readonly kind: 'passing' }
  | { readonly kind: 'failed' };

const nothing: Buffer = Buffer.alloc(0);

export class PeerExchangeSession {
  #state: State;
  readonly #first: readonly ExchangeAction[];

  constructor({ alpn, own }: ExchangeStart) {
    if (alpn === peerExchangeProtocol) {
      this.#state = { kind: 'reading', held: nothing, outcome: 'open' };
      this.#first = [{ kind: 'send', bytes: encodeExchange(own) }];
    } else {
      this.#state = { kind: 'passing' };
      this.#first = [notTold('alpn-not-found')];
    }
  }

  /** To be done first of all. */
  start(): readonly ExchangeAction[] {
    return this.#first;
  }

  /** True once incoming bytes need no longer pass through here. */
  get isPassing(): boolean {
    return this.#state.kind === 'passing';
  }

  received(bytes: Buffer): readonly ExchangeAction[] {
    const state = this.#state;
    if (state.kind === 'failed') return [];
    if (state.kind === 'passing') return deliver(bytes);
    const held = state.held.length === 0 ? bytes : Buffer.concat([state.held, bytes]);
    const read = readExchange(held);
    switch (read.kind) {
      case 'incomplete':
        this.#state = { ...state, held };
        return [];
      case 'no-frame':
        return this.#pass(state, notTold('no-frame'), held);
      case 'malformed':
        return this.#pass(state, notTold('malformed'), held.subarray(read.frameBytes));
      case 'frame':
        return this.#pass(
          state,
          { kind: 'peer', outcome: { kind: 'told', peer: read.peer } },
          held.subarray(read.frameBytes),
        );
      case 'too-large':
        return this.#fail(state, 'malformed', `announces ${read.payloadBytes} bytes of metadata`);
    }
  }

  /** The peer sends no more. Half a header may have been the application's; half a payload was not. */
  ended(): readonly ExchangeAction[] {
    const state = this.#state;
    if (state.kind !== 'reading') return [];
    const read = readExchange(state.held);
    const isHeader = read.kind === 'incomplete' && read.part === 'header';
    return this.#pass(state, notTold('ended'), isHeader ? state.held : nothing);
  }

  /** No metadata in time. Who has said nothing yet may still speak; who has stopped within a frame may not. */
  deadline(): readonly ExchangeAction[] {
    const state = this.#state;
    if (state.kind !== 'reading' || state.outcome === 'settled') return [];
    if (state.held.length === 0) {
      this.#state = { ...state, outcome: 'settled' };
      return [notTold('late')];
    }
    const read = readExchange(state.held);
    if (read.kind === 'incomplete' && read.part === 'payload') {
      return this.#fail(state, 'late', `stopped after ${state.held.length} bytes of its metadata`);
    }
    return this.#pass(state, notTold('late'), state.held);
  }

  #pass(state: State & { kind: 'reading' }, told: ExchangeAction, rest: Buffer): readonly ExchangeAction[] {
    this.#state = { kind: 'passing' };
    return [...(state.outcome === 'open' ? [told] : []), ...deliver(rest)];
  }

  #fail(state: State & { kind: 'reading' }, reason: 'malformed' | 'late', what: string): readonly ExchangeAction[] {
    this.#state = { kind: 'failed' };
    const message = `the peer agreed to ${peerExchangeProtocol} and ${what}; is it an Istio proxy?`;
    const error = new MeshError('TUNNEL_PROTOCOL', message);
    return [...(state.outcome === 'open' ? [notTold(reason)] : []), { kind: 'fail', error }];
  }
}

function deliver(bytes: Buffer): readonly ExchangeAction[] {
  return bytes.length === 0 ? [] : [{ kind: 'deliver', bytes }];
}

function notTold(reason: Extract<ExchangeOutcome, { kind: 'not-told' }>['reason']): ExchangeAction {
  return { kind: 'peer', outcome: { kind: 'not-told', reason } };
}
