// The CNI agent's side of ZDS: hands pods to whatever ztunnel connects. Pods in; whether ztunnel serves them, out.
// A ztunnel that connects is told all pods first; new pods go to the newest one, deletions to all. Source: ztunnel.md §5.3.
import { MeshError } from '../errors.ts';
import type { Runnable } from '../lifecycle.ts';
import type { Logger } from '../log.ts';
import { type NetworkNamespace, openNamespace } from '../net/network-namespace-socket.ts';
import { listenSeqpacket, type SeqpacketConnection, type SeqpacketListener } from '../net/seqpacket-socket.ts';
import { encodeRequest, type PodWorkload, type ZdsRequest } from './zds-codec.ts';
import { type ExchangeOutcome, ZdsLink } from './zds-link-server.ts';

export interface ZdsServer extends Runnable {
  /**
   * Hands a pod to ztunnel, now or as soon as one connects. The namespace (path or descriptor, which stays the caller's)
   * is kept open until `delete`. A ztunnel that refuses tries again by itself until then.
   * @throws MeshError IO_FAILED with ztunnel's reason when it refuses, or when the pod is deleted before any ztunnel took
   *   it; RESOURCE_INVALID when it is no network namespace or the names are too long for a packet
   */
  add(workload: PodWorkload, namespace: string | number): Promise<void>;
  /** Resolves when every connected ztunnel has let go of the pod; a pod that is not there is no error. */
  delete(uid: string): Promise<void>;
}

export interface ZdsServerOptions {
  readonly path: string;
  readonly log: Logger;
}

export function createZdsServer(options: ZdsServerOptions): ZdsServer {
  return new Agent(options);
}

interface Pod {
  readonly workload: PodWorkload;
  readonly namespace: NetworkNamespace;
  readonly taken: PromiseWithResolvers<void>;
}

class Agent implements ZdsServer {
  private readonly options: ZdsServerOptions;
  private readonly pods = new Map<string, Pod>();
  /** In the order in which they connected. */
  private readonly links = new Set<ZdsLink>();
  /** Connected, but have not said hello yet. */
  private readonly strangers = new Set<ZdsLink>();
  private listener: SeqpacketListener | undefined;

  constructor(options: ZdsServerOptions) {
    this.options = options;
  }

  async start(): Promise<void> {
    this.listener = listenSeqpacket(this.options.path, (connection) => void this.serve(connection));
  }

  async drain(): Promise<void> {
    this.listener?.close();
  }

  async close(): Promise<void> {
    this.listener?.close();
    for (const link of [...this.strangers, ...this.links]) link.close();
    for (const uid of [...this.pods.keys()]) this.release(uid, 'the agent was closed');
  }

  async add(workload: PodWorkload, namespace: string | number): Promise<void> {
    encodeRequest(addition(workload));
    const opened = await openNamespace(namespace);
    this.release(workload.uid, 'it was added again');
    const pod: Pod = { workload, namespace: opened, taken: Promise.withResolvers() };
    this.pods.set(workload.uid, pod);
    const newest = [...this.links].at(-1);
    if (newest !== undefined) void this.offer(newest, pod);
    await pod.taken.promise;
  }

  async delete(uid: string): Promise<void> {
    this.release(uid, 'it was deleted');
    const deletion = { request: { kind: 'delete', uid }, descriptors: [] } as const;
    const outcomes = await Promise.all([...this.links].map((link) => link.exchange(() => deletion)));
    for (const outcome of outcomes) this.report(outcome, { uid }, 'ztunnel refused to let go of a pod');
  }

  private async serve(connection: SeqpacketConnection): Promise<void> {
    const link = new ZdsLink(connection);
    this.strangers.add(link);
    try {
      await link.greet();
    } catch (error) {
      this.options.log.warn({ err: error }, 'a ztunnel was turned away');
      return link.close();
    } finally {
      this.strangers.delete(link);
    }
    const { size } = this.pods;
    this.options.log.info({ pods: size }, 'ztunnel connected');
    this.links.add(link);
    // All of it takes its place in the queue at once, so that later pods and deletions follow the snapshot.
    for (const pod of this.pods.values()) void this.offer(link, pod);
    const snapshotSent = { request: { kind: 'snapshot-sent' }, descriptors: [] } as const;
    void link
      .exchange(() => snapshotSent)
      .then((outcome) => this.report(outcome, {}, 'ztunnel refused the end of the snapshot'));
    const reason = await link.listen();
    this.links.delete(link);
    this.options.log.info({ reason }, 'ztunnel disconnected');
  }

  private async offer(link: ZdsLink, pod: Pod): Promise<void> {
    const outcome = await link.exchange(() =>
      this.pods.get(pod.workload.uid) === pod
        ? { request: addition(pod.workload), descriptors: [pod.namespace.descriptor] }
        : undefined,
    );
    this.report(outcome, { pod: pod.workload }, 'ztunnel refused a pod');
    if (outcome.kind === 'done') pod.taken.resolve();
    // A lost connection decides nothing: the next ztunnel gets the pod with its snapshot.
    if (outcome.kind === 'refused') pod.taken.reject(refusal(pod.workload, outcome.reason));
  }

  private report(outcome: ExchangeOutcome, about: Record<string, unknown>, message: string): void {
    if (outcome.kind === 'refused') this.options.log.warn({ ...about, reason: outcome.reason }, message);
  }

  private release(uid: string, reason: string): void {
    const pod = this.pods.get(uid);
    if (pod === undefined) return;
    this.pods.delete(uid);
    pod.namespace.close();
    pod.taken.reject(refusal(pod.workload, `${reason} before any ztunnel served it`));
  }
}

function addition({ uid, ...info }: PodWorkload): ZdsRequest {
  return { kind: 'add', uid, info };
}

function refusal({ namespace, name, uid }: PodWorkload, reason: string): MeshError {
  return new MeshError('IO_FAILED', `ztunnel does not serve the pod ${namespace}/${name} (${uid}): ${reason}`);
}
