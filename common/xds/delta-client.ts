// The delta xDS stream to a control plane, over TLS with its root and our token read anew each time: opened, served by the
// session, opened again after its end, for ever. What is held stays while there is no stream. Source: ztunnel.md §6.
import { type Client, type ClientDuplexStream, status } from '@grpc/grpc-js';
import { MeshError } from '../errors.ts';
import type { Logger } from '../log.ts';
import {
  type ControlPlane,
  isServiceError,
  openChannel,
  readCallMetadata,
  readRoot,
} from '../tls/grpc-channel-client.ts';
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
  /** Idempotent. */
  close(): Promise<void>;
}

type DeltaStream = ClientDuplexStream<Buffer, Buffer>;

const channelOptions = {
  'grpc.max_receive_message_length': maxResponseBytes,
  // A hundred thousand workloads come at once: not by round trips of 64 KiB.
  'grpc-node.flow_control_window': 4 * 1_048_576,
  'grpc.keepalive_permit_without_calls': 1,
};
const asIs = (bytes: Buffer): Buffer => bytes;

export function createDeltaClient(options: DeltaClientOptions): DeltaClient {
  return new ReconnectingClient(options);
}

class ReconnectingClient implements DeltaClient {
  readonly #options: DeltaClientOptions;
  readonly #closing = new AbortController();
  #running: Promise<void> = Promise.resolve();

  constructor(options: DeltaClientOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running = this.#run();
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
    const { controlPlane, session } = this.#options;
    let connection: Connection | undefined;
    try {
      const [root, metadata] = [await readRoot(controlPlane, 'XDS_ROOT_CA'), await readCallMetadata(controlPlane)];
      const requests = await runInSlices(session.begin(), () => {}, this.#closing.signal);
      const client = openChannel(controlPlane, root, channelOptions);
      connection = { client, stream: client.makeBidiStreamRequest(deltaPath, asIs, asIs, metadata), state: 'dialled' };
      this.#watch(connection);
      for (const request of requests) connection.stream.write(request);
      for await (const response of connection.stream) await this.#answer(connection.stream, response);
      return { kind: 'complete', reason: 'ended by the server' };
    } catch (error) {
      return understandFailure(error, connection?.state ?? 'dialled');
    } finally {
      connection?.stream.cancel();
      connection?.client.close();
    }
  }

  /** Gives up dialling after a while, and ends the stream with this client. */
  #watch(connection: Connection): void {
    const { log, controlPlane, connectTimeoutMs = 5_000 } = this.#options;
    const { client, stream } = connection;
    // The end of a stream is told by its iteration; a late error event must not end the process.
    stream.on('error', () => {});
    const stop = () => stream.destroy(new MeshError('DRAINED', 'the client is closed'));
    this.#closing.signal.addEventListener('abort', stop, { once: true });
    stream.once('close', () => this.#closing.signal.removeEventListener('abort', stop));
    client.waitForReady(Date.now() + connectTimeoutMs, (error) => {
      if (error === undefined) {
        connection.state = 'connected';
        log.info({ address: controlPlane.address }, 'xDS connected');
      } else if (!stream.destroyed) {
        stream.destroy(new MeshError('UPSTREAM_CONNECT_TIMEOUT', `no connection within ${connectTimeoutMs} ms`));
      }
    });
  }

  async #answer(stream: DeltaStream, response: Buffer): Promise<void> {
    const { session, onStep, onReceived } = this.#options;
    const received = await runInSlices(session.receive(response), onStep, this.#closing.signal);
    stream.write(received.answer);
    onReceived(received);
  }
}

interface Connection {
  readonly client: Client;
  readonly stream: DeltaStream;
  state: 'dialled' | 'connected';
}

const remedies: Partial<Record<status, string>> = {
  [status.UNAUTHENTICATED]: 'check the token (AUTH_TOKEN), its audience and its age',
  [status.PERMISSION_DENIED]: 'POD_NAMESPACE must be the namespace of the token',
  [status.RESOURCE_EXHAUSTED]: 'the control plane limits us or has sent too much',
};
const dialRemedy = 'check that the control plane runs at XDS_ADDRESS and that XDS_ROOT_CA holds its root';

function understandFailure(error: unknown, state: Connection['state']): StreamEnd {
  if (!isServiceError(error)) {
    return { kind: state === 'dialled' ? 'unreachable' : 'failed', reason: String(error) };
  }
  if (state === 'dialled') return { kind: 'unreachable', reason: `${withoutFrame(error.details)}; ${dialRemedy}` };
  const kind = understandStatus(error.code, error.details);
  const remedy = remedies[error.code];
  return { kind, reason: `${status[error.code]}: ${error.details}${remedy === undefined ? '' : `; ${remedy}`}` };
}

/** What grpc-js puts around the reason why it could not connect. */
function withoutFrame(details: string): string {
  return details
    .replace(/^No connection established\. Last error: (Error: )?/, '')
    .replace(/\.? Resolution note: *$/, '');
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
