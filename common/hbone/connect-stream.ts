// Opens one CONNECT stream in a tunnel and waits for its answer (ztunnel.md §3.3, §3.4). In: an open tunnel, authority, headers.
// Out: the stream after a 200; else the error, and whether the peer can have acted on the request.
import { deadlinesAfter } from '../deadlines.ts';
import { MeshError } from '../errors.ts';
import { errorCodeText } from '../http2/error-code.ts';
import { SessionStream } from '../http2/session-stream.ts';
import type { Response, StreamEnd, StreamEvents, StreamState } from '../http2/stream-state.ts';
import { formatSocketAddress, type SocketAddress } from '../net/address.ts';
import type { ByteStream } from '../net/byte-stream.ts';
import type { ConnectHeaders } from './hbone.ts';
import type { OpenTunnel } from './tunnel-client.ts';

export interface ConnectCall {
  readonly tunnel: OpenTunnel;
  readonly authority: string;
  readonly headers: ConnectHeaders;
  readonly timeoutMs: number;
  /** For messages. */
  readonly nextHop: SocketAddress;
}

export type ConnectOutcome =
  | { readonly kind: 'connected'; readonly stream: ByteStream; readonly responseHeaders: ConnectHeaders }
  /** 'answered': the peer said no. 'unanswered': the tunnel broke. 'unprocessed': the peer surely did nothing. */
  | { readonly kind: 'failed'; readonly fate: 'answered' | 'unanswered' | 'unprocessed'; readonly error: MeshError };

export function openConnectStream(call: ConnectCall): Promise<ConnectOutcome> {
  return new Promise((resolve) => new PendingConnect(call, resolve).send());
}

/** Who listens to the stream until its answer. */
class PendingConnect implements StreamEvents {
  private readonly call: ConnectCall;
  private readonly resolve: (outcome: ConnectOutcome) => void;
  private stream: StreamState | undefined;

  constructor(call: ConnectCall, resolve: (outcome: ConnectOutcome) => void) {
    this.call = call;
    this.resolve = resolve;
  }

  send(): void {
    const { tunnel, authority, headers, timeoutMs } = this.call;
    const fields = [[':method', 'CONNECT'], [':authority', authority], ...headers] as const;
    this.stream = tunnel.connection.session.open(fields, this);
    if (this.stream) deadlinesAfter(timeoutMs).set(this.giveUp);
    else this.settle({ kind: 'failed', fate: 'unprocessed', error: noRoom(this.call) });
  }

  onResponse(response: Response): void {
    const { stream, call } = this;
    const { session } = call.tunnel.connection;
    if (!stream) return;
    if (response.status === 200) {
      const bytes = new SessionStream(session, stream);
      stream.events = bytes;
      this.settle({ kind: 'connected', stream: bytes, responseHeaders: response.headers });
      return;
    }
    session.reset(stream, 'CANCEL');
    this.settle({ kind: 'failed', fate: 'answered', error: refusal(call, response) });
  }

  onData(): void {}

  onEnd(): void {}

  onWritable(): void {}

  onGone(end: StreamEnd): void {
    this.settle(lossOf(this.call, end));
  }

  private settle(outcome: ConnectOutcome): void {
    deadlinesAfter(this.call.timeoutMs).callOff(this.giveUp);
    this.resolve(outcome);
  }

  private readonly giveUp = (): void => {
    if (this.stream) this.call.tunnel.connection.session.reset(this.stream, 'CANCEL');
    this.settle({ kind: 'failed', fate: 'answered', error: silence(this.call) });
  };
}

/** Of the statuses that a ztunnel answers with. */
const refusals: Record<number, { readonly reason: string; readonly remedy: string }> = {
  400: { reason: 'Bad Request', remedy: 'it does not serve this target' },
  401: { reason: 'Unauthorized', remedy: 'an AuthorizationPolicy there denies it' },
  503: { reason: 'Service Unavailable', remedy: 'it could not reach the target' },
};

function refusal({ authority, nextHop }: ConnectCall, { status }: Response): MeshError {
  const { reason = '', remedy = '' } = refusals[status] ?? {};
  const answer = `http status: ${status} ${reason}`.trimEnd();
  const detail = `${formatSocketAddress(nextHop)} answered this to CONNECT ${authority}${remedy && `, so ${remedy}`}`;
  return new MeshError('TUNNEL_REFUSED', `${answer}: ${detail}`);
}

function silence({ authority, nextHop, timeoutMs }: ConnectCall): MeshError {
  return new MeshError(
    'UPSTREAM_CONNECT_TIMEOUT',
    `${formatSocketAddress(nextHop)} did not answer CONNECT ${authority} within ${timeoutMs} ms; it may be unable to reach the target`,
  );
}

function noRoom({ authority, nextHop }: ConnectCall): MeshError {
  return new MeshError(
    'TUNNEL_LOST',
    `the tunnel with ${formatSocketAddress(nextHop)} takes no more streams, so CONNECT ${authority} cannot be sent`,
  );
}

function lossOf(call: ConnectCall, end: StreamEnd): ConnectOutcome {
  const what = `CONNECT ${call.authority} to ${formatSocketAddress(call.nextHop)} was not answered`;
  if (end.kind === 'lost') {
    const fate = end.fate === 'unprocessed' ? 'unprocessed' : 'unanswered';
    return { kind: 'failed', fate, error: new MeshError(...lostText(call, what, end.error), { cause: end.error }) };
  }
  const how =
    end.kind === 'reset' ? `the peer reset the stream (${errorCodeText(end.code)})` : 'the peer ended the stream';
  return { kind: 'failed', fate: 'answered', error: new MeshError('TUNNEL_LOST', `${what}: ${how}`) };
}

/** A peer that refuses our certificate ends the connection after the handshake, before it has said anything (TLS 1.3). */
function lostText({ tunnel }: ConnectCall, what: string, error: MeshError): ['TLS_FAILED' | MeshError['code'], string] {
  if (tunnel.connection.hasAnswered || error.code !== 'TUNNEL_LOST') return [error.code, `${what}: ${error.message}`];
  const why = 'the peer may have refused our certificate: its root or trust domain may differ';
  return ['TLS_FAILED', `${what}: ${error.message}; ${why}`];
}
