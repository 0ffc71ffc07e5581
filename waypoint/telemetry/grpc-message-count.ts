// Counts the messages in one direction of a gRPC call, whichever pieces its bytes come in. In: pieces of the body. Out: how many messages have
// begun in each. Source: gRPC over HTTP/2 (PROTOCOL-HTTP2.md, Length-Prefixed-Message).

/** A flag for compression, then the length. */
const prefixBytes = 5;

export class GrpcMessageCount {
  /** Bytes of the prefix that have come. */
  #prefix = 0;
  #length = 0;
  /** Of the present message. */
  #left = 0;

  /** @returns messages whose prefix is complete with this piece */
  feed(chunk: Uint8Array): number {
    let begun = 0;
    let at = 0;
    while (at < chunk.length) {
      if (this.#left > 0) {
        const skipped = Math.min(this.#left, chunk.length - at);
        this.#left -= skipped;
        at += skipped;
        continue;
      }
      if (this.#prefix > 0) this.#length = this.#length * 256 + (chunk[at] ?? 0);
      at += 1;
      this.#prefix += 1;
      if (this.#prefix < prefixBytes) continue;
      begun += 1;
      this.#left = this.#length;
      this.#prefix = 0;
      this.#length = 0;
    }
    return begun;
  }
}
