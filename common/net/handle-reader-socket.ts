// Reads a handle in chunks that are lent (`read-buffers.ts`). In: a handle. Out: chunks, then the end or an error number.
// Quiet handles share one buffer, from which bytes are copied out; a busy one gets a block of its own. Records of TLS come one
// by one: full ones are put together, so that what was one write of the peer is mostly one chunk. Hot path: test/bench/tunnel.ts.
import { ReadBlock } from './read-buffers.ts';
import { type ReadsInto, readInto, type StreamHandle } from './stream-handle-socket.ts';

export interface HandleEvents {
  onChunk(chunk: Buffer): void;
  /** The end of the stream, or a negative error number. */
  onEnd(status: number): void;
}

const sharedSpace = Buffer.allocUnsafeSlow(64 * 1024);
const sharedBlock = new ReadBlock();
const leastSpaceBytes = 64 * 1024;
/** Plain text of a full record; another one follows as a rule. */
const fullRecordBytes = 16 * 1024;
const gatherBytes = 128 * 1024;
/** A smaller read of TCP ends a burst. */
const burstEndBytes = 16 * 1024;
/** Full reads after which a handle counts as busy. */
const busyAfterReads = 2;

export class HandleReader implements ReadsInto {
  private readonly kind: 'tcp' | 'tls';
  private readonly events: HandleEvents;
  private readonly fullReadBytes: number;
  private fullReads = 0;
  private own: ReadBlock | undefined;
  /** Kept here, for the handle itself does not keep it alive. */
  private space: Buffer = sharedSpace;
  private gathered = 0;
  private effort: 'working' | 'resting' = 'working';
  private delivery: 'none' | 'scheduled' = 'none';

  constructor(kind: 'tcp' | 'tls', handle: StreamHandle, events: HandleEvents) {
    this.kind = kind;
    this.events = events;
    this.fullReadBytes = kind === 'tls' ? fullRecordBytes : sharedSpace.length;
    readInto(handle, sharedSpace, this);
  }

  /** Gives up the own block with the next read that it is in, until the handle is busy again: an idle one costs nothing. */
  rest(): void {
    if (this.own) this.effort = 'resting';
  }

  /** Delivers what is left. The handle must be closed. */
  close(): void {
    this.deliver();
    this.own?.close();
    this.own = undefined;
  }

  /** From the handle. */
  read(bytes: number): Buffer | undefined {
    if (bytes < 0) {
      this.deliver();
      this.events.onEnd(bytes);
      return undefined;
    }
    if (bytes === 0) return undefined;
    if (this.own) return this.readOwn(this.own, bytes);
    sharedBlock.rewind();
    sharedSpace.copy(sharedBlock.space(bytes), 0, 0, bytes);
    this.events.onChunk(sharedBlock.lend(bytes));
    if (bytes < this.fullReadBytes) return undefined;
    this.fullReads += 1;
    if (this.fullReads < busyAfterReads) return undefined;
    this.own = new ReadBlock();
    this.space = this.own.space(leastSpaceBytes);
    return this.space;
  }

  private readOwn(own: ReadBlock, bytes: number): Buffer | undefined {
    this.gathered += bytes;
    const more = this.kind === 'tls' && bytes === fullRecordBytes && this.gathered < gatherBytes;
    if (more && this.space.length - bytes >= fullRecordBytes) {
      this.space = this.space.subarray(bytes);
      this.scheduleDelivery();
      return this.space;
    }
    this.deliver();
    if (this.own !== own) return undefined;
    if (this.kind === 'tcp' && bytes < burstEndBytes) this.rest();
    if (this.effort === 'resting') return this.share();
    own.rewind();
    this.space = own.space(leastSpaceBytes);
    return this.space;
  }

  private share(): Buffer {
    this.own?.close();
    this.own = undefined;
    this.fullReads = 0;
    this.effort = 'working';
    this.space = sharedSpace;
    return sharedSpace;
  }

  /** If no other record follows in this turn of the event loop. */
  private scheduleDelivery(): void {
    if (this.delivery === 'scheduled') return;
    this.delivery = 'scheduled';
    setImmediate(() => {
      this.delivery = 'none';
      this.deliver();
    });
  }

  private deliver(): void {
    const bytes = this.gathered;
    if (bytes === 0 || !this.own) return;
    this.gathered = 0;
    this.events.onChunk(this.own.lend(bytes));
  }
}
