// Whether a connection carries messages beside bulk: streams that get little, again and again. Counted in rounds, in each of which the
// peer uses up half of the connection's window. In: bytes as they come, the end of each round. Out: whether there were any in it.

/** What a stream has had of the rounds. */
export interface StreamRounds {
  /** The last in which something came. */
  round: number;
  roundBytes: number;
  /** Those with little, one after the other, before that one. */
  littleRounds: number;
  /** The last in which much came. */
  muchAtRound: number;
}

/** In one round. */
const littleBytes = 32 * 1024;
/** Bulk begins with little, too. */
const leastLittleRounds = 2;
/** A stream that had much is bulk for so long: of a round it may get no more than the rest of the window. */
const bulkRounds = 64;

export function newStreamRounds(): StreamRounds {
  return { round: -1, roundBytes: 0, littleRounds: 0, muchAtRound: -bulkRounds - 1 };
}

export class MessageStreams {
  private round = 0;
  private withLittle = 0;

  count(stream: StreamRounds, bytes: number): void {
    if (stream.round !== this.round) this.begin(stream);
    stream.roundBytes += bytes;
    if (stream.roundBytes <= littleBytes) return;
    if (this.isMessages(stream)) this.withLittle -= 1;
    stream.littleRounds = 0;
    stream.muchAtRound = this.round;
  }

  /** The peer has ended the stream: one that never had much carried a message. */
  end(stream: StreamRounds): void {
    if (stream.round < 0 || this.isBulk(stream)) return;
    if (stream.round !== this.round || !this.isMessages(stream)) this.withLittle += 1;
  }

  endRound(): 'some' | 'none' {
    const found = this.withLittle > 0 ? 'some' : 'none';
    this.withLittle = 0;
    this.round += 1;
    return found;
  }

  private begin(stream: StreamRounds): void {
    if (stream.round >= 0 && !this.isBulk(stream)) stream.littleRounds += 1;
    stream.round = this.round;
    stream.roundBytes = 0;
    if (this.isMessages(stream)) this.withLittle += 1;
  }

  private isBulk(stream: StreamRounds): boolean {
    return this.round - stream.muchAtRound <= bulkRounds;
  }

  private isMessages(stream: StreamRounds): boolean {
    return stream.littleRounds >= leastLittleRounds && !this.isBulk(stream);
  }
}
