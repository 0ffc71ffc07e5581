// Bytes of one stream that wait for window and socket. In: chunks of any size. Out: pieces of at most what is asked for,
// never copied.

export class SendQueue {
  private chunks: Buffer[] = [];
  /** Chunks before this index are gone. */
  private head = 0;
  bytes = 0;

  /** Chunks that wait. */
  get count(): number {
    return this.chunks.length - this.head;
  }

  push(chunk: Buffer): void {
    if (chunk.length === 0) return;
    this.chunks.push(chunk);
    this.bytes += chunk.length;
  }

  /** Moves up to `limitBytes` into `out`; how many. */
  take(limitBytes: number, out: Buffer[]): number {
    let left = Math.min(limitBytes, this.bytes);
    const taken = left;
    while (left > 0) {
      const chunk = this.chunks[this.head];
      if (!chunk) break;
      if (chunk.length <= left) {
        out.push(chunk);
        left -= chunk.length;
        this.head += 1;
      } else {
        out.push(chunk.subarray(0, left));
        this.chunks[this.head] = chunk.subarray(left);
        left = 0;
      }
    }
    this.bytes -= taken;
    if (this.head === this.chunks.length) this.clear();
    else if (this.head > 64) {
      this.chunks = this.chunks.slice(this.head);
      this.head = 0;
    }
    return taken;
  }

  clear(): void {
    this.chunks = this.bytes === 0 && this.chunks.length === 0 ? this.chunks : [];
    this.head = 0;
    this.bytes = 0;
  }
}
