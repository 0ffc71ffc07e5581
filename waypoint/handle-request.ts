// One request through the waypoint: choose an endpoint, send it there, bring the answer back, tell telemetry how it went.
// In: the exchange and whose it is; what it needs of the other parts comes as functions. Source: waypoint-telemetry.md §9.2, §9.3.
import { randomUUID } from 'node:crypto';
import { MeshError } from '../common/errors.ts';
import type { HeaderList } from './http/header-list.ts';
import type {
  HttpClient,
  MessageBody,
  OutgoingRequest,
  ResponseHead,
  ServerExchange,
  UpstreamAnswer,
} from './http/http-exchange.ts';
import { localReply } from './http/local-reply.ts';
import { requestHeadersUpstream, responseHeadersDownstream } from './http/proxy-headers.ts';
import type { Downstream } from './served-target.ts';
import { GrpcMessageCount } from './telemetry/grpc-message-count.ts';
import type { MessageReport } from './telemetry/message-metrics.ts';
import { isGrpc, type RequestFacts, type UpstreamFacts } from './telemetry/request-facts.ts';
import type { ResponseFlag } from './telemetry/response-flags.ts';

export interface RequestUpstream extends UpstreamFacts {
  readonly client: HttpClient;
}

export type RequestChoice = { readonly routeName: string } & (
  | { readonly kind: 'upstream'; readonly upstream: RequestUpstream }
  | { readonly kind: 'refused'; readonly refusal: Refusal; readonly failure: MeshError }
);

/** Answered here, without an upstream. */
export interface Refusal {
  readonly status: number;
  readonly flag: ResponseFlag | undefined;
  readonly details: string;
  readonly text: string;
}

export interface RequestHandling {
  chooseUpstream(downstream: Downstream, exchange: ServerExchange): RequestChoice;
  /** Of a gRPC call: who counts its messages. */
  callStarted(downstream: Downstream, upstream: UpstreamFacts | undefined): MessageReport;
  ended(facts: RequestFacts): void;
  /** Milliseconds that only grow. */
  now(): number;
}

/** What is learned while a request runs. */
interface Progress {
  response: ResponseHead | undefined;
  trailers: () => HeaderList;
  flags: ResponseFlag[];
  failure: MeshError | undefined;
  details: string;
  upstreamMs: number | undefined;
  /** Says so when the response was lost on its way from the endpoint. */
  responseLost: () => boolean;
}

export async function handleRequest(
  exchange: ServerExchange,
  downstream: Downstream,
  handling: RequestHandling,
): Promise<void> {
  const startEpochMs = Date.now();
  const start = handling.now();
  const { request } = exchange;
  const headers = requestHeadersUpstream(request.headers, request.scheme, randomUUID);
  const choice = handling.chooseUpstream(downstream, exchange);
  const upstream = choice.kind === 'upstream' ? choice.upstream : undefined;
  const progress: Progress = {
    response: undefined,
    trailers: () => [],
    flags: [],
    failure: undefined,
    details: 'via_upstream',
    upstreamMs: undefined,
    responseLost: () => false,
  };
  let abort = (): void => undefined;
  const messages = isGrpc(request) ? handling.callStarted(downstream, upstream) : undefined;
  exchange.onEnd((end) => {
    messages?.close();
    if (end.kind === 'aborted') {
      noteAbort(progress);
      abort();
    }
    handling.ended({
      downstream,
      upstream,
      request: { ...request, headers },
      response: progress.response,
      responseTrailers: progress.trailers(),
      flags: progress.flags,
      failure: progress.failure,
      routeName: choice.routeName,
      details: progress.details,
      startEpochMs,
      durationMs: handling.now() - start,
      upstreamMs: progress.upstreamMs,
      end,
    });
  });
  if (choice.kind === 'refused') {
    const { flag, status, details, text } = choice.refusal;
    if (flag !== undefined) progress.flags.push(flag);
    progress.details = details;
    progress.failure = choice.failure;
    reply(exchange, progress, status, text);
    return;
  }
  if (messages !== undefined) countMessages(exchange.body, messages.request);
  const call = choice.upstream.client.send(outgoing(exchange, headers));
  abort = call.abort;
  const answer = await call.answer;
  progress.upstreamMs = handling.now() - start;
  if (messages !== undefined && answer.kind === 'response') countMessages(answer.body, messages.response);
  passOn(exchange, progress, answer, progress.upstreamMs);
}

function countMessages(body: MessageBody | undefined, tell: (messages: number) => void): void {
  const count = new GrpcMessageCount();
  body?.onChunk?.((chunk) => tell(count.feed(chunk)));
}

/** Whose end went away first. */
function noteAbort(progress: Progress): void {
  if (progress.responseLost()) {
    progress.flags.push('UC');
    progress.failure = new MeshError('CONNECTION_RESET', 'the response was cut off on its way from upstream');
    progress.details = 'upstream_reset_after_response_started{connection_termination}';
    return;
  }
  progress.flags.push('DC');
  progress.details = 'downstream_remote_disconnect';
}

function outgoing(exchange: ServerExchange, headers: HeaderList): OutgoingRequest {
  const { method, scheme, authority, path, upgrade } = exchange.request;
  return { method, scheme, authority, path, upgrade, headers, body: exchange.body };
}

function passOn(exchange: ServerExchange, progress: Progress, answer: UpstreamAnswer, upstreamMs: number): void {
  if (answer.kind === 'failed') {
    const isConnect = answer.stage === 'connect';
    progress.flags.push(flagOf[answer.stage]);
    progress.failure = failureOf(answer);
    const what = isConnect ? 'connection_failure' : reasonOf[answer.stage].replaceAll(' ', '_');
    progress.details = `upstream_reset_before_response_started{${what}}`;
    const cause = isConnect ? `, transport failure reason: ${answer.error.message}` : '';
    const text = `upstream connect error or disconnect/reset before headers. reset reason: ${reasonOf[answer.stage]}${cause}`;
    reply(exchange, progress, answer.stage === 'protocol' ? 502 : 503, text);
    return;
  }
  const { status } = answer.head;
  const date = (): string => new Date().toUTCString();
  const head = { status, headers: responseHeadersDownstream(answer.head.headers, upstreamMs, date) };
  progress.response = head;
  if (answer.kind === 'switched') {
    exchange.switchProtocols(head, answer.stream);
    return;
  }
  const { body } = answer;
  if (body !== undefined) {
    progress.trailers = body.trailers;
    progress.responseLost = () => body.stream.errored !== null;
  }
  exchange.respond(head, body);
}

/** Dials fail with codes of their own. */
function failureOf({ stage, error }: Extract<UpstreamAnswer, { kind: 'failed' }>): MeshError {
  if (error instanceof MeshError) return error;
  return new MeshError(codes[stage], `no answer from upstream: ${reasonOf[stage]}: ${error.message}`, { cause: error });
}

const codes = { connect: 'UPSTREAM_REFUSED', reset: 'CONNECTION_RESET', protocol: 'UPSTREAM_PROTOCOL' } as const;
const flagOf = { connect: 'UF', reset: 'UC', protocol: 'UPE' } as const;
const reasonOf = {
  connect: 'remote connection failure',
  reset: 'connection termination',
  protocol: 'protocol error',
} as const;

function reply(exchange: ServerExchange, progress: Progress, status: number, text: string): void {
  const { head, body } = localReply(status, text, isGrpc(exchange.request) ? 'grpc' : 'http');
  const dated = { status: head.status, headers: [...head.headers, 'date', new Date().toUTCString()] };
  progress.response = dated;
  exchange.respond(dated, exchange.request.method === 'HEAD' ? undefined : body);
}
