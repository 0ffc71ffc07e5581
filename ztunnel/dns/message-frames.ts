// DNS messages on a stream: each behind two bytes of length (RFC 1035 §4.2.2, RFC 7766). Chunks in, whole messages out.

export type FrameStep =
  | { readonly kind: 'messages'; readonly messages: readonly Buffer[] }
  | { readonly kind: 'too-large'; readonly bytes: number };

export class MessageFrames {
  readonly #maxBytes: number;
  #rest: Buffer = Buffer.alloc(0);

  /** @param maxBytes of one message; at most one that is not whole yet is held */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** After `too-large` the stream is of no use. */
  feed(chunk: Buffer): FrameStep {
    let rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const messages: Buffer[] = [];
    while (rest.length >= 2) {
      const size = rest.readUInt16BE(0);
      if (size > this.#maxBytes) return { kind: 'too-large', bytes: size };
      if (rest.length < 2 + size) break;
      // Its own bytes: the chunk may be a buffer that is used again.
      messages.push(Buffer.from(rest.subarray(2, 2 + size)));
      rest = rest.subarray(2 + size);
    }
    this.#rest = Buffer.from(rest);
    return { kind: 'messages', messages };
  }
}

export function frameMessage(message: Buffer): Buffer {
  const frame = Buffer.allocUnsafe(2 + message.length);
  frame.writeUInt16BE(message.length, 0);
  message.copy(frame, 2);
  return frame;
}
