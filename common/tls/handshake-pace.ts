// Begins TLS handshakes a few in each turn of the event loop. After a restart a thousand peers come at once, and their handshakes (some
// 0.5 ms of CPU each) would stand in one turn, before every byte of the tunnels that are open. Nobody waits for somebody else's handshake to
// end, so that silent peers keep nobody out. In: whoever wants to begin. Out: when it may.

/** Some 4 ms of a turn. */
const defaultAtOnce = 8;

export class HandshakePace {
  readonly #atOnce: number;
  #left: number;
  #waiting: (() => void)[] = [];
  #turn: 'none' | 'scheduled' = 'none';

  constructor(atOnce = defaultAtOnce) {
    this.#atOnce = atOnce;
    this.#left = atOnce;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** Resolves in the turn in which the handshake may begin, in the order of asking. */
  begin(): Promise<void> {
    if (this.#turn === 'none') {
      this.#turn = 'scheduled';
      setImmediate(this.#nextTurn);
    }
    if (this.#left > 0 && this.#waiting.length === 0) {
      this.#left -= 1;
      return Promise.resolve();
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  readonly #nextTurn = (): void => {
    const admitted = this.#waiting.splice(0, this.#atOnce);
    this.#left = this.#atOnce - admitted.length;
    for (const admit of admitted) admit();
    if (admitted.length > 0) setImmediate(this.#nextTurn);
    else this.#turn = 'none';
  };
}

/** Of all handshakes of this thread, whichever side they are on. */
export const handshakePace = new HandshakePace();
