// The delta xDS stream to a control plane, over TLS with its root and our token read anew each time: opened, served by the
// session, opened again after its end, for ever. What is held stays while there is no stream. Source: ztunnel.md §6.
import { MeshError } from '../errors.ts';
import type { GrpcMessage } from '../grpc/grpc-frames.ts';
import { describeGrpcFailure, GrpcFailure, grpcStatus } from '../grpc/grpc-status.ts';
import { type GrpcStream, openGrpcStream } from '../grpc/grpc-stream-client.ts';
import type { Logger } from '../log.ts';
import { type ControlPlane, readCallHeaders, readRoot } from '../tls/control-plane-client.ts';
import type { DeltaSession, Received, Step } from './delta-session.ts';
import { deltaPath, maxResponseBytes } from './discovery-codec.ts';
import { planReconnect, type StreamEnd, type TerminationReason, understandStatus } from './reconnect-plan.ts';
import { runInSlices } from './run-in-slices.ts';

export interface DeltaClientOptions {
  readonly controlPlane: ControlPlane;
  readonly session: DeltaSession;
  readonly onStep: (step: Step) => void;
  /** After the response has been applied and answered. */
  readonly onReceived: (received: Received) => void;
  readonly onEnd: (reason: TerminationReason) => void;
  readonly log: Logger;
  /** Default 5 s. */
  readonly connectTimeoutMs?: number;
}

export interface DeltaClient {
  start(): void;
  /** Sent now where there is a stream; a new one begins with it. */
  ask(name: string): void;
  giveUp(name: string): void;
  /** Idempotent. */
  close(): Promise<void>;
}

export function createDeltaClient(options: DeltaClientOptions): DeltaClient {
  return new ReconnectingClient(options);
}

class ReconnectingClient implements DeltaClient {
  readonly #options: DeltaClientOptions;
  readonly #closing = new AbortController();
  #running: Promise<void> = Promise.resolve();
  /** Once its first requests are sent. */
  #stream: GrpcStream | undefined;

  constructor(options: DeltaClientOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running = this.#run();
  }

  ask(name: string): void {
    const request = this.#options.session.ask(name);
    if (request !== undefined) this.#stream?.send(request);
  }

  giveUp(name: string): void {
    this.#options.session.giveUp(name);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { controlPlane, log, onEnd } = this.#options;
    let delayMs = 0;
    while (!this.#closing.signal.aborted) {
      const startedMs = performance.now();
      const end = await this.#serveStream();
      if (this.#closing.signal.aborted) return;
      const plan = planReconnect(end, performance.now() - startedMs, delayMs, Math.random());
      delayMs = plan.delayMs;
      onEnd(plan.reason);
      const fields = { address: controlPlane.address, reason: end.reason, retryInMs: Math.round(delayMs) };
      if (end.kind === 'unreachable' || end.kind === 'failed') log.warn(fields, 'xDS stream failed');
      else log.info(fields, 'xDS stream ended');
      await pause(delayMs, this.#closing.signal);
    }
  }

  /** Never rejects. */
  async #serveStream(): Promise<StreamEnd> {
    const { controlPlane, session, log } = this.#options;
    let stream: GrpcStream | undefined;
    try {
      stream = await this.#open();
      log.info({ address: controlPlane.address }, 'xDS connected');
      for (const request of await runInSlices(session.begin(), () => {}, this.#closing.signal)) stream.send(request);
      // In one go with what comes after, so that no name that is asked for is left out, or sent twice.
      const asked = session.askAgain();
      if (asked !== undefined) stream.send(asked);
      this.#stream = stream;
      for await (const response of stream.messages()) await this.#answer(stream, response);
      return { kind: 'complete', reason: 'ended by the server' };
    } catch (error) {
      return stream === undefined ? understandDial(error) : understandFailure(error);
    } finally {
      this.#stream = undefined;
      stream?.close();
    }
  }

  async #open(): Promise<GrpcStream> {
    const { controlPlane, connectTimeoutMs = 5_000 } = this.#options;
    const [rootPem, headers] = [await readRoot(controlPlane, 'XDS_ROOT_CA'), await readCallHeaders(controlPlane)];
    return await openGrpcStream({
      address: controlPlane.address,
      alternativeHostname: controlPlane.alternativeHostname,
      rootPem,
      path: deltaPath,
      headers,
      maxMessageBytes: maxResponseBytes,
      connectTimeoutMs,
      signal: this.#closing.signal,
    });
  }

  async #answer(stream: GrpcStream, response: GrpcMessage): Promise<void> {
    const { session, onStep, onReceived } = this.#options;
    const received = await runInSlices(session.receive(response), onStep, this.#closing.signal);
    stream.send(received.answer);
    onReceived(received);
  }
}

const remedies: Partial<Record<number, string>> = {
  [grpcStatus.unauthenticated]: 'check the token (AUTH_TOKEN), its audience and its age',
  [grpcStatus.permissionDenied]: 'POD_NAMESPACE must be the namespace of the token',
  [grpcStatus.resourceExhausted]: 'the control plane limits us or has sent too much',
};
const dialRemedy = 'check that the control plane runs at XDS_ADDRESS and that XDS_ROOT_CA holds its root';

function understandDial(error: unknown): StreamEnd {
  const reason = error instanceof Error ? error.message : String(error);
  return { kind: 'unreachable', reason: error instanceof MeshError ? reason : `${reason}; ${dialRemedy}` };
}

function understandFailure(error: unknown): StreamEnd {
  if (!(error instanceof GrpcFailure)) return { kind: 'failed', reason: String(error) };
  const kind = understandStatus(error.code, error.details);
  return { kind, reason: describeGrpcFailure(error, remedies) };
}

function pause(delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, delayMs);
    signal.addEventListener(
      'abort',
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
  });
}
