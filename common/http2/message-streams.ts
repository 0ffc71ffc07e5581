// Whether a connection carries messages beside bulk: streams that get little, again and again. Counted in rounds, in each of which the
// peer uses up half of the connection's window. In: bytes as they come, the end of each round. Out: whether there were any in it.

/** What a stream has had of the rounds. */
export interface StreamRounds {
  /** The last in which something came. */
  round: number;
  roundBytes: number;
  /** The last in which much came. */
  muchAtRound: number;
}

/** In one round. */
const littleBytes = 32 * 1024;
/** A stream that had much is bulk for so long: of a round it may get no more than the rest of the window. */
const bulkRounds = 64;

export function newStreamRounds(): StreamRounds {
  return { round: -1, roundBytes: 0, muchAtRound: -bulkRounds - 1 };
}

export class MessageStreams {
  private round = 0;
  private withLittle = 0;

  count(stream: StreamRounds, bytes: number): void {
    const { round } = this;
    const isBulk = round - stream.muchAtRound <= bulkRounds;
    if (stream.round !== round) {
      stream.round = round;
      stream.roundBytes = 0;
      if (!isBulk) this.withLittle += 1;
    }
    stream.roundBytes += bytes;
    if (stream.roundBytes <= littleBytes) return;
    if (!isBulk) this.withLittle -= 1;
    stream.muchAtRound = round;
  }

  endRound(): 'some' | 'none' {
    const found = this.withLittle > 0 ? 'some' : 'none';
    this.withLittle = 0;
    this.round += 1;
    return found;
  }
}
