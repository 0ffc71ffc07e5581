// ztunnel's side of ZDS over its socket: connects, says hello, performs what the session decides, acknowledges one by one,
// and connects anew when the agent is gone. In: the socket's path. Out: calls to start and stop pods. Source: ztunnel.md §5.
import type { Runnable } from '../lifecycle.ts';
import type { Logger } from '../log.ts';
import { identifyNamespace } from '../net/network-namespace-socket.ts';
import { closeDescriptors, connectSeqpacket, type SeqpacketConnection } from '../net/seqpacket-socket.ts';
import { decodeRequest, encodeAcknowledgement, encodeHello, maxZdsPacketBytes, type PodWorkload } from './zds-codec.ts';
import { advanceZds, initialZdsState, isReady, type ZdsAction, type ZdsEvent, type ZdsState } from './zds-session.ts';

export interface ZdsClientOptions {
  /** INPOD_UDS. */
  readonly path: string;
  /**
   * Serves a pod; a rejection reaches the agent, and the pod is tried again. The descriptor of its network namespace is
   * only lent until the promise settles (`openNamespace` duplicates it).
   */
  onAdd(workload: PodWorkload, netnsDescriptor: number): Promise<void>;
  /** Stops serving a pod, at once: its network may be gone already. */
  onDelete(uid: string): Promise<void>;
  /** 'ready' once the snapshot was received and every pod is served; 'waiting' again when the agent is lost. */
  onReadiness?(readiness: 'ready' | 'waiting'): void;
  readonly log: Logger;
}

const firstDelayMs = 20;
const maxDelayMs = 15_000;
const retryMs = 5_000;

/** `start` resolves at once; pods come as soon as the agent is there. `drain` takes no new pods and stops none. */
export function createZdsClient(options: ZdsClientOptions): Runnable {
  const client = new ZdsClient(options);
  return {
    start: async () => client.start(),
    drain: () => client.close(),
    close: () => client.close(),
  };
}

class ZdsClient {
  private readonly options: ZdsClientOptions;
  private session: ZdsState = initialZdsState;
  private readiness: 'ready' | 'waiting' = 'waiting';
  /** Descriptors of pods that are being started or wait to be tried again. */
  private readonly descriptors = new Map<string, number>();
  private connection: SeqpacketConnection | undefined;
  private retryTimer: NodeJS.Timeout | undefined;
  private wake: () => void = () => {};
  private state: 'new' | 'running' | 'closed' = 'new';
  /** Events are handled one after the other, whether they come from the agent or from the clock. */
  private work: Promise<unknown> = Promise.resolve();
  private ended: Promise<void> = Promise.resolve();

  constructor(options: ZdsClientOptions) {
    this.options = options;
  }

  start(): void {
    if (this.state !== 'new') return;
    this.state = 'running';
    this.ended = this.connectForEver();
  }

  async close(): Promise<void> {
    this.state = 'closed';
    this.connection?.close();
    clearTimeout(this.retryTimer);
    this.wake();
    await this.ended;
    await this.work;
    closeDescriptors([...this.descriptors.values()]);
    this.descriptors.clear();
  }

  private async connectForEver(): Promise<void> {
    let delayMs = firstDelayMs;
    while (this.isRunning()) {
      try {
        await this.talk();
        if (this.session.phase.kind === 'live') delayMs = firstDelayMs;
        if (this.isRunning()) this.options.log.warn({ path: this.options.path }, 'the CNI agent closed its connection');
      } catch (error) {
        if (this.session.phase.kind === 'live') delayMs = firstDelayMs;
        this.options.log.warn({ err: error, retryInMs: delayMs }, 'the CNI agent is not available');
      }
      await this.enqueue(() => this.handle({ kind: 'disconnected' }));
      if (!this.isRunning()) return;
      await this.sleep(delayMs);
      delayMs = Math.min(delayMs * 2, maxDelayMs);
    }
  }

  /** One connection, from hello to its end. */
  private async talk(): Promise<void> {
    const connection = connectSeqpacket(this.options.path);
    this.connection = connection;
    try {
      connection.send(encodeHello());
      await this.enqueue(() => this.handle({ kind: 'connected' }));
      this.options.log.info({ path: this.options.path }, 'connected to the CNI agent');
      for (;;) {
        const packet = await connection.receive();
        if (packet.bytes.length === 0 || !this.isRunning()) {
          closeDescriptors(packet.descriptors);
          return;
        }
        const tooLong = packet.extent === 'cut' || packet.bytes.length > maxZdsPacketBytes;
        await this.enqueue(() => this.handlePacket(packet.bytes, packet.descriptors, tooLong ? 'cut' : 'whole'));
      }
    } finally {
      this.connection = undefined;
      connection.close();
    }
  }

  private async handlePacket(bytes: Buffer, descriptors: readonly number[], extent: 'whole' | 'cut'): Promise<void> {
    const open = new Set(descriptors);
    try {
      if (extent === 'cut') throw new Error(`it is longer than ${maxZdsPacketBytes} bytes or has too many descriptors`);
      const request = decodeRequest(bytes);
      const namespaces = descriptors.map(identifyNamespace);
      const [first] = descriptors;
      await this.handle({ kind: 'request', request, namespaces }, (uid) => {
        // The session wants to start this pod: its descriptor stays open until that has succeeded.
        if (first === undefined) return;
        open.delete(first);
        this.forget(uid);
        this.descriptors.set(uid, first);
      });
    } catch (error) {
      this.disconnect(`failure to read message : ${error instanceof Error ? error.message : error}`);
    } finally {
      closeDescriptors([...open]);
    }
  }

  /** @param adopt keeps the descriptor that came with the request, for the pod that is to be started */
  private async handle(event: ZdsEvent, adopt?: (uid: string) => void): Promise<void> {
    const { state, actions } = advanceZds(this.session, event);
    this.session = state;
    for (const action of actions) await this.perform(action, adopt);
    this.afterStep();
  }

  private async perform(action: ZdsAction, adopt: ((uid: string) => void) | undefined): Promise<void> {
    switch (action.kind) {
      case 'start': {
        adopt?.(action.placement.workload.uid);
        const outcome = await this.startPod(action);
        return await this.handle(outcome);
      }
      case 'stop':
        return await this.stopPod(action.uid);
      case 'forget':
        return this.forget(action.uid);
      case 'acknowledge':
        return this.send({ error: action.error });
      case 'disconnect':
        return this.disconnect(action.error);
    }
  }

  private async startPod({ placement, answer }: Extract<ZdsAction, { kind: 'start' }>): Promise<ZdsEvent> {
    const { workload } = placement;
    const descriptor = this.descriptors.get(workload.uid);
    try {
      if (descriptor === undefined) throw new Error('the descriptor of its network namespace is gone');
      await this.options.onAdd(workload, descriptor);
      this.forget(workload.uid);
      this.options.log.info({ pod: workload }, 'pod is served');
      return { kind: 'started', placement, answer };
    } catch (error) {
      this.options.log.error({ err: error, pod: workload, retryInMs: retryMs }, 'pod cannot be served');
      return {
        kind: 'start-failed',
        placement,
        answer,
        reason: error instanceof Error ? error.message : String(error),
      };
    }
  }

  private async stopPod(uid: string): Promise<void> {
    try {
      await this.options.onDelete(uid);
      this.options.log.info({ uid }, 'pod is served no longer');
    } catch (error) {
      this.options.log.error({ err: error, uid }, 'stopping a pod failed');
    }
  }

  private forget(uid: string): void {
    const descriptor = this.descriptors.get(uid);
    if (descriptor !== undefined) closeDescriptors([descriptor]);
    this.descriptors.delete(uid);
  }

  private send(acknowledgement: { readonly error: string | undefined }): void {
    try {
      this.connection?.send(encodeAcknowledgement(acknowledgement));
    } catch (error) {
      this.options.log.warn({ err: error }, 'an acknowledgement did not reach the CNI agent');
      this.connection?.close();
    }
  }

  private disconnect(error: string): void {
    this.options.log.error({ reason: error }, 'the CNI agent broke the protocol, connecting anew');
    this.send({ error });
    this.connection?.close();
  }

  private afterStep(): void {
    const readiness = isReady(this.session) ? 'ready' : 'waiting';
    if (readiness !== this.readiness) {
      this.readiness = readiness;
      this.options.onReadiness?.(readiness);
    }
    if (this.session.pending.size === 0 || this.retryTimer !== undefined || !this.isRunning()) return;
    this.retryTimer = setTimeout(() => {
      this.retryTimer = undefined;
      void this.enqueue(() => this.handle({ kind: 'retry-due' }));
    }, retryMs);
  }

  private enqueue(task: () => Promise<void>): Promise<void> {
    const done = this.work.then(task);
    this.work = done.catch(() => {});
    return done;
  }

  private isRunning(): boolean {
    return this.state === 'running';
  }

  private sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, delayMs);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
