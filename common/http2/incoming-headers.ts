// Header blocks as they arrive (RFC 9113 §8.1, §8.5): requests, responses, and trailers, which only end a stream.
// In: whole blocks. Every block is decoded, whatever becomes of its stream, since the decoder's table depends on all of them.
import { type ConnectionFault, type ErrorCodeName, errorCodes, fault } from './error-code.ts';
import { encodeResetStream } from './frame-codec.ts';
import type { HeaderBlock } from './header-block.ts';
import type { DecodedBlock } from './hpack-codec.ts';
import { readRequest, readResponse } from './message-headers.ts';
import type { SessionCore } from './session-core.ts';
import type { StreamState } from './stream-state.ts';

type ReadableBlock = Exclude<DecodedBlock, { kind: 'malformed' | 'bomb' }>;

export class IncomingHeaders {
  private readonly session: SessionCore;

  constructor(session: SessionCore) {
    this.session = session;
  }

  take(block: HeaderBlock): ConnectionFault | undefined {
    const { session } = this;
    const decoded = session.hpack.decode(block.bytes);
    if (decoded.kind === 'malformed') return fault('COMPRESSION_ERROR', decoded.detail);
    if (decoded.kind === 'bomb') return fault('ENHANCE_YOUR_CALM', decoded.detail);
    const stream = session.streams.get(block.streamId);
    if (stream)
      return stream.receiving === 'head' ? this.response(stream, block, decoded) : this.trailers(stream, block);
    if (!session.isIdle(block.streamId)) return session.guard.spend('frame without use');
    if (session.own.role === 'client' || block.streamId % 2 === 0) {
      return fault('PROTOCOL_ERROR', `HEADERS on stream ${block.streamId}, which this peer may not open`);
    }
    return this.request(block, decoded);
  }

  private request(block: HeaderBlock, decoded: ReadableBlock): ConnectionFault | undefined {
    const { session } = this;
    const { streamId } = block;
    session.lastPeerStreamId = streamId;
    // After our GOAWAY this is a race, not an abuse.
    if (session.state !== 'open') return this.refuse(streamId, 'REFUSED_STREAM');
    if (session.streams.size >= session.own.maxConcurrentStreams) return this.refuseAtCost(streamId, 'REFUSED_STREAM');
    if (decoded.kind === 'too-large') return this.refuseAtCost(streamId, 'ENHANCE_YOUR_CALM');
    const request = readRequest(decoded.fields);
    if (request.kind === 'malformed') return this.refuseAtCost(streamId, 'PROTOCOL_ERROR');
    const stream = session.admit(streamId);
    stream.events = session.events.onRequest(stream, request);
    if (block.end === 'end-stream') session.endReceiving(stream);
    return undefined;
  }

  private response(stream: StreamState, block: HeaderBlock, decoded: ReadableBlock): ConnectionFault | undefined {
    const { session } = this;
    if (decoded.kind === 'too-large') {
      const detail = `a response head of ${decoded.sizeBytes} bytes; ${session.own.maxHeaderListBytes} are allowed`;
      session.breakStream(stream, 'ENHANCE_YOUR_CALM', detail);
      return undefined;
    }
    const response = readResponse(decoded.fields);
    if (response.kind === 'malformed') {
      session.breakStream(stream, 'PROTOCOL_ERROR', `a malformed response: ${response.detail}`);
      return undefined;
    }
    // Interim responses come before the real one (RFC 9110 §15.2).
    if (response.status < 200 && block.end === 'more') return session.guard.spend('frame without use');
    stream.receiving = 'open';
    stream.events.onResponse(response);
    if (block.end === 'end-stream') session.endReceiving(stream);
    return undefined;
  }

  private trailers(stream: StreamState, block: HeaderBlock): ConnectionFault | undefined {
    if (stream.receiving === 'ended') this.session.breakStream(stream, 'STREAM_CLOSED', 'HEADERS after END_STREAM');
    else if (block.end === 'more') this.session.breakStream(stream, 'PROTOCOL_ERROR', 'a second head');
    else this.session.endReceiving(stream);
    return undefined;
  }

  private refuse(streamId: number, code: ErrorCodeName): undefined {
    this.session.send(encodeResetStream(streamId, errorCodes[code]));
  }

  private refuseAtCost(streamId: number, code: ErrorCodeName): ConnectionFault | undefined {
    this.refuse(streamId, code);
    return this.session.guard.spend('unanswered reset');
  }
}
