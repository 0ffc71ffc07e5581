// An HTTP/2 connection for CONNECT tunnels as a state machine, either side (RFC 9113; ztunnel.md §3.2). No socket, clock or log.
// In: bytes from the peer and calls of the streams' owners. Out: `takeOutput` for the wire, events for the owners.
// Whatever the peer sends ends at worst in GOAWAY and the loss of this connection's streams.
import { MeshError } from '../errors.ts';
import { release } from '../net/read-buffers.ts';
import { firstConnectionWindow } from './connection-window.ts';
import { type ConnectionFault, type ErrorCodeName, errorCodes, fault } from './error-code.ts';
import { FloodGuard } from './flood-guard.ts';
import { ConnectionCredit, defaultWindowBytes, ReceiveWindow, SendWindow } from './flow-control.ts';
import {
  clientPreface,
  encodeFrame,
  encodeGoAway,
  encodeHeaders,
  encodePing,
  encodeResetStream,
  encodeWindowUpdate,
  FrameDecoder,
  frameTypes,
} from './frame-codec.ts';
import { encodeFields, HpackDecoder } from './hpack-codec.ts';
import type { HeaderField } from './hpack-tables.ts';
import { IncomingFrames } from './incoming-frames.ts';
import { MessageStreams } from './message-streams.ts';
import { Output, writerHighBytes, writerHighChunks } from './output.ts';
import type { SessionCore, SessionState } from './session-core.ts';
import type { GoAway, SessionEvents } from './session-events.ts';
import { encodeSettings, initialPeerSettings, type OwnSettings, type PeerSettings } from './settings.ts';
import {
  createStreamState,
  type StreamEnd,
  type StreamEvents,
  type StreamFacts,
  type StreamState,
} from './stream-state.ts';

const maxStreamId = 0x7fffffff;

/** Until the owner of a new request has said who listens. */
const deafEvents: StreamEvents = { onResponse() {}, onData() {}, onEnd() {}, onWritable() {}, onGone() {} };

export class ConnectionSession implements SessionCore {
  readonly own: OwnSettings;
  readonly events: SessionEvents;
  readonly streams = new Map<number, StreamState>();
  readonly hpack: HpackDecoder;
  readonly guard = new FloodGuard();
  readonly messages = new MessageStreams();
  readonly receiveWindow: ReceiveWindow;
  readonly sendWindow = new SendWindow(defaultWindowBytes);
  state: SessionState = 'open';
  peer: PeerSettings = initialPeerSettings;
  /** Highest stream of the peer that we have seen. */
  lastPeerStreamId = 0;
  pingsDue = 0;
  private nextStreamId = 1;
  private blocksSent: 'none' | 'some' = 'none';
  readonly credit: ConnectionCredit;
  private readonly output = new Output();
  /** Chunks whose bytes have all been taken. */
  private spent: Buffer[] = [];
  private readonly decoder: FrameDecoder;
  /** Bytes of the client's preface that are still due (server only). */
  private prefaceSeen: number;

  constructor(own: OwnSettings, events: SessionEvents) {
    this.own = own;
    this.events = events;
    this.hpack = new HpackDecoder(own.maxHeaderListBytes);
    this.receiveWindow = new ReceiveWindow(firstConnectionWindow(own.connectionWindowBytes));
    this.credit = new ConnectionCredit(own.connectionWindowBytes);
    this.decoder = new FrameDecoder(own.maxFrameBytes, new IncomingFrames(this));
    this.prefaceSeen = own.role === 'server' ? 0 : clientPreface.length;
    if (own.role === 'client') this.send(clientPreface);
    this.send(encodeFrame(frameTypes.SETTINGS, 0, 0, encodeSettings(own)));
    const beyondDefault = this.receiveWindow.sizeBytes - defaultWindowBytes;
    if (beyondDefault > 0) this.send(encodeWindowUpdate(0, beyondDefault));
  }

  receive(chunk: Buffer): void {
    if (this.state === 'failed') return;
    const rest = this.skipPreface(chunk);
    const error = 'kind' in rest ? rest : this.decoder.push(rest);
    if (error) this.fail(error);
  }

  /** Whether another stream may be opened now, as far as the peer and GOAWAY allow. */
  get canOpen(): boolean {
    return (
      this.state === 'open' && this.streams.size < this.peer.maxConcurrentStreams && this.nextStreamId < maxStreamId
    );
  }

  /** Client: sends a request head; undefined when `canOpen` is false. */
  open(fields: readonly HeaderField[], events: StreamEvents): StreamState | undefined {
    if (!this.canOpen) return undefined;
    const id = this.nextStreamId;
    this.nextStreamId += 2;
    const stream = createStreamState('opened-here', this.streamFacts(id, events));
    this.streams.set(id, stream);
    this.sendHeaders(id, fields, 'more');
    return stream;
  }

  /** Server: sends the response head. After 'end-stream' the stream is over on both sides. */
  respond(stream: StreamState, fields: readonly HeaderField[], end: 'end-stream' | 'more'): void {
    if (!this.streams.has(stream.id) || stream.answer === 'sent') return;
    stream.answer = 'sent';
    this.sendHeaders(stream.id, fields, end);
    if (end === 'more') return;
    // A complete answer: the rest of the request is of no interest (RFC 9113 §8.1).
    if (stream.receiving !== 'ended') this.send(encodeResetStream(stream.id, errorCodes.NO_ERROR));
    this.remove(stream);
  }

  /** False asks to wait for `onWritable`. The chunk belongs to the session from now on. */
  write(stream: StreamState, chunk: Buffer): boolean {
    if (stream.sending !== 'open' || !this.streams.has(stream.id)) return false;
    stream.queue.push(chunk);
    this.markReady(stream);
    if (stream.queue.bytes < writerHighBytes && stream.queue.count < writerHighChunks) return true;
    stream.writer = 'waiting';
    return false;
  }

  end(stream: StreamState): void {
    if (stream.sending !== 'open' || !this.streams.has(stream.id)) return;
    stream.sending = 'ending';
    this.markReady(stream);
  }

  /** The stream is over at once; its owner hears no more of it. */
  reset(stream: StreamState, code: ErrorCodeName): void {
    if (!this.streams.has(stream.id)) return;
    this.remove(stream);
    this.send(encodeResetStream(stream.id, errorCodes[code]));
  }

  /** The application has taken bytes of this stream: the peer may send as many again. */
  consume(stream: StreamState, bytes: number): void {
    if (!this.streams.has(stream.id)) return;
    stream.unconsumedBytes -= bytes;
    this.creditConnection(this.credit.release(bytes));
    if (stream.receiving === 'ended') return;
    const increment = stream.receiveWindow.consume(bytes);
    if (increment > 0) this.send(encodeWindowUpdate(stream.id, increment));
  }

  /** How many bytes of all streams the peer may have under way; fewer than now take effect as they come. */
  resizeWindow(sizeBytes: number): void {
    if (this.state === 'failed' || sizeBytes === this.receiveWindow.sizeBytes) return;
    const increment = this.receiveWindow.resize(sizeBytes);
    if (increment > 0) this.send(encodeWindowUpdate(0, increment));
  }

  /** @param opaque exactly 8 bytes */
  ping(opaque: Buffer): void {
    if (this.state === 'failed') return;
    this.pingsDue += 1;
    this.send(encodePing(opaque, 'ping'));
  }

  /** Announces that this connection is going away, while the peer's new streams are still taken (RFC 9113 §6.8). */
  announceDrain(): void {
    if (this.state !== 'failed') this.send(encodeGoAway(maxStreamId, errorCodes.NO_ERROR, ''));
  }

  /** From now on the peer's new streams are refused; those there are may finish. */
  drain(): void {
    if (this.state !== 'open') return;
    this.state = 'draining';
    this.send(encodeGoAway(this.lastPeerStreamId, errorCodes.NO_ERROR, ''));
  }

  /** The connection is gone: every stream is lost. */
  lose(error: MeshError): void {
    this.state = 'failed';
    this.loseStreams(error);
  }

  /** What goes on the wire now: control frames, and about `budgetBytes` of DATA. Empty when nothing can be sent. */
  takeOutput(budgetBytes: number): readonly Buffer[] {
    const { output, sendWindow, peer, spent } = this;
    const windowBefore = sendWindow.available;
    const { out, writable, ended } = output.take(budgetBytes, sendWindow, peer.maxFrameBytes, spent);
    if (sendWindow.available < windowBefore) this.guard.sentData();
    for (const stream of ended) this.finishIfBothEnded(stream);
    for (const stream of writable) {
      if (stream.sending === 'open' && this.streams.has(stream.id)) stream.events.onWritable();
    }
    return out;
  }

  /** Whether streams have more for the connection's window or the next write. */
  get unsentData(): 'none' | 'some' {
    return this.output.hasReady ? 'some' : 'none';
  }

  /** All that `takeOutput` gave so far is written: its memory may be used again. */
  releaseOutput(): void {
    for (const chunk of this.spent) release(chunk);
    this.spent = [];
  }

  // What follows up to the private part is `SessionCore`, called by the handlers of incoming frames.

  send(frame: Buffer): void {
    this.output.addControl(frame);
    this.events.onOutput();
  }

  /** Control frames that wait because the peer does not read. */
  get unsentControlFrames(): number {
    return this.output.controlFrames;
  }

  isIdle(streamId: number): boolean {
    if (streamId % 2 === 0) return true;
    return this.own.role === 'client' ? streamId >= this.nextStreamId : streamId > this.lastPeerStreamId;
  }

  admit(streamId: number): StreamState {
    const stream = createStreamState('opened-by-peer', this.streamFacts(streamId, deafEvents));
    this.streams.set(streamId, stream);
    return stream;
  }

  endReceiving(stream: StreamState): void {
    if (!this.streams.has(stream.id) || stream.receiving === 'ended') return;
    stream.receiving = 'ended';
    this.messages.end(stream.rounds);
    stream.events.onEnd();
    this.finishIfBothEnded(stream);
  }

  breakStream(stream: StreamState, code: ErrorCodeName, detail: string): void {
    if (!this.streams.has(stream.id)) return;
    this.send(encodeResetStream(stream.id, errorCodes[code]));
    const error = new MeshError('TUNNEL_PROTOCOL', `the peer broke HTTP/2 on stream ${stream.id}: ${detail} (${code})`);
    this.finish(stream, { kind: 'lost', fate: 'unknown', error });
  }

  markReady(stream: StreamState): void {
    this.output.markReady(stream);
    this.events.onOutput();
  }

  hold(stream: StreamState, bytes: number): void {
    stream.unconsumedBytes += bytes;
    this.creditConnection(this.credit.hold(bytes));
  }

  creditConnection(bytes: number): void {
    const increment = this.receiveWindow.consume(bytes);
    if (increment === 0) return;
    this.send(encodeWindowUpdate(0, increment));
    this.events.onWindowUsed(this.messages.endRound());
  }

  /** Takes the stream out; what its owner holds or will never read is given back to the connection. */
  private remove(stream: StreamState): void {
    if (!this.streams.delete(stream.id)) return;
    this.output.forget(stream);
    stream.queue.clear();
    const held = stream.unconsumedBytes;
    stream.unconsumedBytes = 0;
    if (held > 0 && this.state !== 'failed') this.creditConnection(this.credit.release(held));
    this.events.onStreamClosed();
  }

  private finishIfBothEnded(stream: StreamState): void {
    if (stream.sending !== 'ended' || stream.receiving !== 'ended') return;
    this.finish(stream, { kind: 'done' });
  }

  finish(stream: StreamState, end: StreamEnd): void {
    if (!this.streams.has(stream.id)) return;
    this.remove(stream);
    stream.events.onGone(end);
  }

  /** The peer takes no more streams; those after the last it named were never acted upon. */
  peerGoesAway(goAway: GoAway): void {
    if (this.state === 'open') this.state = 'draining';
    const error = new MeshError('TUNNEL_LOST', 'the peer is going away and did not act on this stream');
    if (this.own.role === 'client') {
      for (const stream of [...this.streams.values()]) {
        if (stream.id > goAway.lastStreamId) this.finish(stream, { kind: 'lost', fate: 'unprocessed', error });
      }
    }
    this.events.onGoAway(goAway);
  }

  private fail(error: ConnectionFault): void {
    this.state = 'failed';
    this.send(encodeGoAway(this.lastPeerStreamId, errorCodes[error.code], error.detail));
    this.loseStreams(new MeshError('TUNNEL_PROTOCOL', `the peer broke HTTP/2: ${error.detail} (${error.code})`));
    this.events.onFault(error);
  }

  private loseStreams(error: MeshError): void {
    for (const stream of [...this.streams.values()]) this.finish(stream, { kind: 'lost', fate: 'unknown', error });
  }

  private streamFacts(id: number, events: StreamEvents): StreamFacts {
    return { id, sendBytes: this.peer.initialWindowBytes, receiveBytes: this.own.streamWindowBytes, events };
  }

  private sendHeaders(id: number, fields: readonly HeaderField[], end: 'end-stream' | 'more'): void {
    const block = encodeFields(fields, this.blocksSent === 'none' ? 'first' : 'later');
    this.blocksSent = 'some';
    this.send(encodeHeaders(id, block, end, this.peer.maxFrameBytes));
  }

  private skipPreface(chunk: Buffer): Buffer | ConnectionFault {
    const due = clientPreface.length - this.prefaceSeen;
    if (due === 0) return chunk;
    const length = Math.min(due, chunk.length);
    const expected = clientPreface.subarray(this.prefaceSeen, this.prefaceSeen + length);
    if (!chunk.subarray(0, length).equals(expected)) return fault('PROTOCOL_ERROR', 'no HTTP/2 connection preface');
    this.prefaceSeen += length;
    return chunk.subarray(length);
  }
}
