// One CONNECT that a peer asked for, until it is answered. In: the stream and its head. Out: the request for whoever decides,
// and the events that the session is to send the stream.
import type { ConnectionSession } from '../http2/connection-session.ts';
import { SessionStream } from '../http2/session-stream.ts';
import type { StreamEvents, StreamState } from '../http2/stream-state.ts';
import type { ConnectHeaders, ConnectRequest } from './hbone.ts';

export type RequestFacts = Pick<
  ConnectRequest,
  'method' | 'authority' | 'headers' | 'peerIdentity' | 'localIdentity' | 'peerAddress' | 'localAddress'
>;

export interface PendingRequest {
  readonly request: ConnectRequest;
  /** Who listens to the stream now. */
  events(): StreamEvents;
}

export function createConnectRequest(
  session: ConnectionSession,
  stream: StreamState,
  facts: RequestFacts,
): PendingRequest {
  const bytes = new SessionStream(session, stream);
  const onAbort: (() => void)[] = [];
  let answer: 'due' | 'given' | 'aborted' = 'due';

  const whileUnanswered: StreamEvents = {
    onResponse() {},
    onData: (chunk) => bytes.onData(chunk),
    onEnd: () => bytes.onEnd(),
    onWritable: () => bytes.onWritable(),
    onGone(end) {
      bytes.onGone(end);
      answer = 'aborted';
      for (const listener of onAbort) listener();
    },
  };
  const { method, authority, headers, peerIdentity, localIdentity, peerAddress, localAddress } = facts;
  const request: ConnectRequest = {
    ...{ method, authority, headers, peerIdentity, localIdentity, peerAddress, localAddress },
    accept(responseHeaders: ConnectHeaders) {
      if (answer !== 'due') return bytes;
      answer = 'given';
      stream.events = bytes;
      session.respond(stream, [[':status', '200'], ...responseHeaders], 'more');
      return bytes;
    },
    reject(status) {
      if (answer !== 'due') return;
      answer = 'given';
      session.respond(stream, [[':status', String(status)]], 'end-stream');
    },
    onAbort(listener) {
      if (answer === 'aborted') setImmediate(listener);
      else onAbort.push(listener);
    },
  };
  return { request, events: () => (answer === 'given' ? bytes : whileUnanswered) };
}
