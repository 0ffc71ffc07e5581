// Lines out of the bytes of a watch: chunks in, whole lines out. The length of a line is bounded.
import { MeshError } from '../../errors.ts';

const newline = 0x0a;

export class LineSplitter {
  readonly #maxLineBytes: number;
  #parts: Buffer[] = [];
  #heldBytes = 0;

  constructor(maxLineBytes: number) {
    this.#maxLineBytes = maxLineBytes;
  }

  /** @throws MeshError when a line is longer than the bound */
  push(chunk: Buffer): readonly string[] {
    const lines: string[] = [];
    let start = 0;
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, start)) {
      this.#hold(chunk.subarray(start, end));
      lines.push(Buffer.concat(this.#parts).toString('utf8'));
      this.#parts = [];
      this.#heldBytes = 0;
      start = end + 1;
    }
    this.#hold(chunk.subarray(start));
    return lines.filter((line) => line !== '');
  }

  #hold(part: Buffer): void {
    if (part.length === 0) return;
    this.#heldBytes += part.length;
    if (this.#heldBytes > this.#maxLineBytes) {
      throw new MeshError(
        'RESOURCE_INVALID',
        `an event of the Kubernetes API is longer than ${this.#maxLineBytes} bytes`,
      );
    }
    this.#parts.push(part);
  }
}
