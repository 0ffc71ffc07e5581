// How long what a connection has to say has waited for its socket, or for the window that its peer grants to the connection.
// In: what each write that is not done yet carries, and the time. Out: whether a new stream would wait behind it.

/**
 * 'busy': DATA has been waiting without a break, so what a new stream sends waits behind it. 'stuck': and for a second none of
 * it has moved.
 */
export type Congestion = 'none' | 'busy' | 'stuck';

/** Waiting for longer than this is more than a turn of the event loop … */
const muchAfterMs = 10;
/** … in which little waits even where the socket takes it: TLS reports no write as done before the turn has ended. */
const littleAfterMs = 250;
/** A write with less is little: a socket that keeps up takes it at once. */
const muchBytes = 64 * 1024;
/** Without any progress. */
export const stuckAfterMs = 1_000;

type Waiting = {
  readonly kind: 'waiting';
  amount: 'little' | 'much';
  /** Since when something waits without a break. */
  sinceMs: number;
  /** When DATA last moved. */
  movedMs: number;
};

export class SendBacklog {
  /** Used again, because most writes wait for a turn. */
  private readonly waiting: Waiting = { kind: 'waiting', amount: 'little', sinceMs: 0, movedMs: 0 };
  private state: { readonly kind: 'clear' } | Waiting = clear;

  get isClear(): boolean {
    return this.state.kind === 'clear';
  }

  /**
   * A write is under way, or nothing can be written because the window is used up.
   * @param dataBytes of DATA in it
   * @param rest whether streams have DATA beyond it
   */
  wait(dataBytes: number, rest: 'none' | 'some', nowMs: number): void {
    const { waiting } = this;
    const before = this.state;
    this.state = waiting;
    waiting.amount = rest === 'some' || dataBytes >= muchBytes ? 'much' : 'little';
    const begins = before.kind === 'clear' || waiting.amount === 'little';
    if (begins) waiting.sinceMs = nowMs;
    if (begins || dataBytes > 0) waiting.movedMs = nowMs;
  }

  /** All has been taken. */
  clear(): void {
    this.state = clear;
  }

  congestion(nowMs: number): Congestion {
    const { state } = this;
    if (state.kind === 'clear') return 'none';
    if (nowMs - state.movedMs >= stuckAfterMs) return 'stuck';
    return nowMs - state.sinceMs >= (state.amount === 'much' ? muchAfterMs : littleAfterMs) ? 'busy' : 'none';
  }
}

const clear = { kind: 'clear' } as const;
