// Runs `istio-peer-exchange` on a connection whose TLS has just been agreed on. In: the stream, what was negotiated, who we are.
// Out: at once the stream as the application is to have it, and later what the peer said; the stream waits for nothing.
import type { ByteSink, ByteStream } from '../net/byte-stream.ts';
import { HeldStream } from '../net/held-stream.ts';
import { peerExchangeProtocol } from './peer-exchange-codec.ts';
import {
  type ExchangeAction,
  type ExchangeOutcome,
  type ExchangeStart,
  PeerExchangeSession,
} from './peer-exchange-session.ts';

export interface PeerExchange {
  readonly stream: ByteStream;
  /** At the latest when the deadline is over; never rejects. */
  readonly outcome: Promise<ExchangeOutcome>;
}

/** Peers answer with their first byte, within a round trip. */
export const exchangeDeadlineMs = 5_000;

/** @param stream not yet opened */
export function exchangePeers(
  stream: ByteStream,
  start: ExchangeStart,
  deadlineMs: number = exchangeDeadlineMs,
): PeerExchange {
  if (start.alpn !== peerExchangeProtocol) {
    return { stream, outcome: Promise.resolve({ kind: 'not-told', reason: 'alpn-not-found' }) };
  }
  const outcome = Promise.withResolvers<ExchangeOutcome>();
  const held = new HeldStream(
    new ExchangingStream(stream, start, deadlineMs, (told) => {
      outcome.resolve(told);
      held.hold();
    }),
  );
  return { stream: held, outcome: outcome.promise };
}

class ExchangingStream implements ByteStream {
  readonly #stream: ByteStream;
  readonly #session: PeerExchangeSession;
  readonly #deadlineMs: number;
  readonly #onOutcome: (outcome: ExchangeOutcome) => void;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    stream: ByteStream,
    start: ExchangeStart,
    deadlineMs: number,
    onOutcome: (outcome: ExchangeOutcome) => void,
  ) {
    this.#stream = stream;
    this.#session = new PeerExchangeSession(start);
    this.#deadlineMs = deadlineMs;
    this.#onOutcome = onOutcome;
  }

  open(sink: ByteSink): void {
    const session = this.#session;
    this.#stream.open({
      onData: (chunk) => {
        if (session.isPassing) sink.onData(chunk);
        else this.#act(session.received(chunk), sink);
      },
      onEnd: () => {
        this.#act(session.ended(), sink);
        sink.onEnd();
      },
      onWritable: () => sink.onWritable(),
      onClose: (error) => {
        this.#settle({ kind: 'not-told', reason: 'ended' });
        sink.onClose(error);
      },
    });
    this.#act(session.start(), sink);
    this.#timer = setTimeout(() => this.#act(session.deadline(), sink), this.#deadlineMs);
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  write(chunk: Buffer): boolean {
    return this.#stream.write(chunk);
  }

  end(): void {
    this.#stream.end();
  }

  reset(reason?: Error): void {
    this.#stream.reset(reason);
  }

  #act(actions: readonly ExchangeAction[], sink: ByteSink): void {
    for (const action of actions) {
      if (action.kind === 'send') this.#stream.write(action.bytes);
      else if (action.kind === 'deliver') sink.onData(action.bytes);
      else if (action.kind === 'peer') this.#settle(action.outcome);
      else this.#stream.reset(action.error);
    }
  }

  #settle(outcome: ExchangeOutcome): void {
    clearTimeout(this.#timer);
    this.#onOutcome(outcome);
  }
}
