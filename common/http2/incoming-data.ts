// DATA as it arrives (RFC 9113 §6.1): flow control, padding, delivery to the stream, END_STREAM.
// In: frame headers and raw payload pieces. Bytes that no application will read are credited to the connection at once.
import { release } from '../net/read-buffers.ts';
import { type ConnectionFault, fault } from './error-code.ts';
import { type FrameHeader, flags } from './frame-codec.ts';
import type { SessionCore } from './session-core.ts';
import type { StreamState } from './stream-state.ts';

export class IncomingData {
  private readonly session: SessionCore;
  /** The stream of the frame at hand; undefined where its bytes are dropped. */
  private stream: StreamState | undefined;
  private header: FrameHeader = { length: 0, type: 0, flags: 0, streamId: 0 };
  private padding: 'length due' | 'known' = 'known';
  /** Bytes of the frame at hand that are data, not padding, and still to come. */
  private dataBytes = 0;

  constructor(session: SessionCore) {
    this.session = session;
  }

  begin(header: FrameHeader): ConnectionFault | undefined {
    const { session } = this;
    this.header = header;
    this.dataBytes = header.length;
    this.padding = header.flags & flags.PADDED ? 'length due' : 'known';
    this.stream = undefined;
    if (session.isIdle(header.streamId)) {
      return fault('PROTOCOL_ERROR', `DATA on stream ${header.streamId}, which was never opened`);
    }
    if (this.padding === 'length due' && header.length === 0)
      return fault('FRAME_SIZE_ERROR', 'padded DATA without a byte');
    if (session.receiveWindow.receive(header.length) === 'exceeded') {
      return fault('FLOW_CONTROL_ERROR', `DATA of ${header.length} bytes is beyond the connection window`);
    }
    // Streams that are over are none of our concern: their peers may not have heard of it yet.
    this.stream = this.accepting(session.streams.get(header.streamId), header);
    if (this.stream && header.length > 0) session.messages.count(this.stream.rounds, header.length);
    if (header.length === 0 && !(header.flags & flags.END_STREAM)) return session.guard.spend('empty DATA');
    return undefined;
  }

  take(piece: Buffer, remaining: number): ConnectionFault | undefined {
    const { stream, session } = this;
    let data = piece;
    if (this.padding === 'length due') {
      this.padding = 'known';
      const padBytes = piece[0] ?? 0;
      if (padBytes >= this.header.length) return fault('PROTOCOL_ERROR', 'DATA with more padding than payload');
      this.dataBytes = this.header.length - 1 - padBytes;
      data = piece.subarray(1);
      const isEmpty = this.dataBytes === 0 && !(this.header.flags & flags.END_STREAM);
      const flood = isEmpty ? session.guard.spend('empty DATA') : undefined;
      if (flood) return flood;
    }
    if (data.length > this.dataBytes) data = data.subarray(0, this.dataBytes);
    this.dataBytes -= data.length;
    if (!stream || session.streams.get(stream.id) !== stream) {
      release(piece);
      session.creditConnection(piece.length);
      return undefined;
    }
    const overhead = piece.length - data.length;
    if (overhead > 0) {
      session.hold(stream, overhead);
      session.consume(stream, overhead);
    }
    if (data.length > 0) {
      session.hold(stream, data.length);
      stream.events.onData(data);
    }
    if (remaining === 0 && this.header.flags & flags.END_STREAM) session.endReceiving(stream);
    return undefined;
  }

  private accepting(stream: StreamState | undefined, header: FrameHeader): StreamState | undefined {
    if (!stream) return undefined;
    const { session } = this;
    if (stream.receiving === 'head') session.breakStream(stream, 'PROTOCOL_ERROR', 'DATA before the response head');
    else if (stream.receiving === 'ended') session.breakStream(stream, 'STREAM_CLOSED', 'DATA after END_STREAM');
    else if (stream.receiveWindow.receive(header.length) === 'exceeded') {
      session.breakStream(stream, 'FLOW_CONTROL_ERROR', `DATA of ${header.length} bytes is beyond the stream's window`);
    } else return stream;
    return undefined;
  }
}
