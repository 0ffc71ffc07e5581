// The peer's frames, checked (RFC 9113 §4–§6) and turned into changes of the session's state and events of its streams.
// In: decoded frames in order. Out: a fault where the connection must end; errors of one stream are answered by RST_STREAM.
import { MeshError } from '../errors.ts';
import { type ConnectionFault, errorCodes, fault } from './error-code.ts';
import { encodeFrame, encodePing, type FrameEvents, type FrameHeader, flags, frameTypes } from './frame-codec.ts';
import { HeaderBlockAssembler } from './header-block.ts';
import { IncomingData } from './incoming-data.ts';
import { IncomingHeaders } from './incoming-headers.ts';
import type { SessionCore } from './session-core.ts';
import { applySettings } from './settings.ts';

/** Replies that may wait for a peer that does not read. */
const maxUnsentControlFrames = 10_000;
const onConnectionOnly = new Set<number>([frameTypes.SETTINGS, frameTypes.PING, frameTypes.GOAWAY]);
const onStreamsOnly = new Set<number>([
  frameTypes.DATA,
  frameTypes.HEADERS,
  frameTypes.PRIORITY,
  frameTypes.RST_STREAM,
  frameTypes.CONTINUATION,
]);
const exactLengths = new Map<number, number>([
  [frameTypes.PRIORITY, 5],
  [frameTypes.RST_STREAM, 4],
  [frameTypes.PING, 8],
  [frameTypes.WINDOW_UPDATE, 4],
]);

export class IncomingFrames implements FrameEvents {
  private readonly session: SessionCore;
  private readonly assembler: HeaderBlockAssembler;
  private readonly data: IncomingData;
  private readonly headers: IncomingHeaders;
  private preface: 'settings due' | 'complete' = 'settings due';

  constructor(session: SessionCore) {
    this.session = session;
    // A block of literals is never larger than the list it makes, but for the table updates in front.
    this.assembler = new HeaderBlockAssembler(session.own.maxHeaderListBytes + 64);
    this.data = new IncomingData(session);
    this.headers = new IncomingHeaders(session);
  }

  onFrameHeader(header: FrameHeader): ConnectionFault | undefined {
    const { type, streamId } = header;
    if (this.preface === 'settings due' && (type !== frameTypes.SETTINGS || header.flags & flags.ACK)) {
      return fault('PROTOCOL_ERROR', `the first frame is of type ${type}; SETTINGS are due`);
    }
    if (this.session.unsentControlFrames > maxUnsentControlFrames) {
      return fault('ENHANCE_YOUR_CALM', 'the peer sends but does not read');
    }
    if (streamId === 0 ? onStreamsOnly.has(type) : onConnectionOnly.has(type)) {
      return fault('PROTOCOL_ERROR', `a frame of type ${type} on stream ${streamId}`);
    }
    const exact = exactLengths.get(type);
    if (exact !== undefined && header.length !== exact) {
      return fault('FRAME_SIZE_ERROR', `a frame of type ${type} has ${header.length} bytes; ${exact} are due`);
    }
    const broken = this.assembler.check(header);
    if (broken) return broken;
    return type === frameTypes.DATA ? this.data.begin(header) : undefined;
  }

  onDataPayload(piece: Buffer, remaining: number): ConnectionFault | undefined {
    return this.data.take(piece, remaining);
  }

  onFrame(header: FrameHeader, payload: Buffer): ConnectionFault | undefined {
    switch (header.type) {
      case frameTypes.HEADERS:
      case frameTypes.CONTINUATION: {
        const block = this.assembler.add(header, payload);
        if (block === 'more') return undefined;
        return block.kind === 'fault' ? block : this.headers.take(block);
      }
      case frameTypes.RST_STREAM:
        return this.resetStream(header.streamId, payload.readUInt32BE(0));
      case frameTypes.SETTINGS:
        return this.settings(header, payload);
      case frameTypes.PUSH_PROMISE:
        return fault('PROTOCOL_ERROR', 'PUSH_PROMISE, which no side here allows');
      case frameTypes.PING:
        return this.ping(header, payload);
      case frameTypes.GOAWAY:
        return this.goAway(payload);
      case frameTypes.WINDOW_UPDATE:
        return this.windowUpdate(header.streamId, payload.readUInt32BE(0) & 0x7fffffff);
      default:
        // PRIORITY is deprecated, and unknown types are ignored (§5.3.2, §5.5).
        return this.session.guard.spend('frame without use');
    }
  }

  private resetStream(streamId: number, code: number): ConnectionFault | undefined {
    if (this.session.isIdle(streamId))
      return fault('PROTOCOL_ERROR', `RST_STREAM on stream ${streamId}, which was never opened`);
    const stream = this.session.streams.get(streamId);
    if (!stream) return undefined;
    const flood = stream.answer === 'due' ? this.session.guard.spend('unanswered reset') : undefined;
    if (code === errorCodes.REFUSED_STREAM && stream.receiving === 'head') {
      const error = new MeshError('TUNNEL_LOST', 'the peer refused the stream before acting on it');
      this.session.finish(stream, { kind: 'lost', fate: 'unprocessed', error });
    } else this.session.finish(stream, { kind: 'reset', code });
    return flood;
  }

  private settings(header: FrameHeader, payload: Buffer): ConnectionFault | undefined {
    const { session } = this;
    if (header.flags & flags.ACK) {
      if (payload.length > 0) return fault('FRAME_SIZE_ERROR', 'SETTINGS with ACK and a payload');
      return session.guard.spend('frame without use');
    }
    const flood = session.guard.spend('settings');
    if (flood) return flood;
    const before = session.peer;
    const after = applySettings(before, payload);
    if ('kind' in after) return after;
    session.peer = after;
    const growth = after.initialWindowBytes - before.initialWindowBytes;
    for (const stream of growth === 0 ? [] : session.streams.values()) {
      if (stream.sendWindow.grow(growth) === 'overflow') {
        return fault('FLOW_CONTROL_ERROR', `INITIAL_WINDOW_SIZE overflows the window of stream ${stream.id}`);
      }
      if (stream.queue.bytes > 0) session.markReady(stream);
    }
    session.send(encodeFrame(frameTypes.SETTINGS, flags.ACK, 0, Buffer.alloc(0)));
    if (this.preface === 'settings due') {
      this.preface = 'complete';
      session.events.onReady();
    }
    return undefined;
  }

  private ping(header: FrameHeader, payload: Buffer): ConnectionFault | undefined {
    const { session } = this;
    if (header.flags & flags.ACK) {
      if (session.pingsDue === 0) return session.guard.spend('frame without use');
      session.pingsDue -= 1;
      session.events.onPong(payload);
      return undefined;
    }
    const flood = session.guard.spend('ping');
    if (!flood) session.send(encodePing(payload, 'ack'));
    return flood;
  }

  private goAway(payload: Buffer): ConnectionFault | undefined {
    if (payload.length < 8) return fault('FRAME_SIZE_ERROR', `GOAWAY of ${payload.length} bytes; 8 are due`);
    this.session.peerGoesAway({
      lastStreamId: payload.readUInt32BE(0) & 0x7fffffff,
      code: payload.readUInt32BE(4),
      detail: payload.toString('latin1', 8, 8 + 200),
    });
    return this.session.guard.spend('settings');
  }

  private windowUpdate(streamId: number, increment: number): ConnectionFault | undefined {
    const { session } = this;
    const flood = session.guard.spend('window update');
    if (flood) return flood;
    if (streamId === 0) {
      if (increment === 0) return fault('PROTOCOL_ERROR', 'WINDOW_UPDATE of 0 for the connection');
      if (session.sendWindow.grow(increment) === 'overflow') {
        return fault('FLOW_CONTROL_ERROR', 'the connection window grew above 2^31-1');
      }
      session.events.onOutput();
      return undefined;
    }
    if (session.isIdle(streamId))
      return fault('PROTOCOL_ERROR', `WINDOW_UPDATE on stream ${streamId}, which was never opened`);
    const stream = session.streams.get(streamId);
    if (!stream) return undefined;
    if (increment === 0) session.breakStream(stream, 'PROTOCOL_ERROR', 'WINDOW_UPDATE of 0');
    else if (stream.sendWindow.grow(increment) === 'overflow') {
      session.breakStream(stream, 'FLOW_CONTROL_ERROR', "the stream's window grew above 2^31-1");
    } else if (stream.queue.bytes > 0) session.markReady(stream);
    return undefined;
  }
}
