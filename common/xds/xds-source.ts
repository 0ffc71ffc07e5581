// istiod as a source of the mesh: workloads, services and policies by delta xDS, written into the index as they come.
// Started when every type has been acknowledged once; what is held serves on while istiod is away. On demand, workloads and
// services come only when they are asked for (ztunnel.md §6.3), beside those that istiod adds: the node's own.
import { MeshError } from '../errors.ts';
import type { Runnable } from '../lifecycle.ts';
import type { Logger } from '../log.ts';
import type { MeshDemand } from '../mesh/mesh-demand.ts';
import type { MeshWriter } from '../mesh/mesh-source.ts';
import type { Recorder } from '../telemetry/recorder.ts';
import type { ControlPlane } from '../tls/control-plane-client.ts';
import { createDeltaClient } from './delta-client.ts';
import { createDeltaSession, type Received } from './delta-session.ts';
import { createDemands } from './demands.ts';
import { describeNode, type NodeFacts } from './node-metadata.ts';
import { addressType, authorizationType } from './resource-type.ts';
import { createXdsCounters } from './xds-metrics.ts';

export interface XdsSourceOptions {
  readonly controlPlane: ControlPlane;
  readonly node: NodeFacts;
  readonly writer: MeshWriter;
  readonly recorder: Recorder;
  readonly log: Logger;
  /** Default `all`. */
  readonly addresses?: 'all' | 'on-demand';
}

export interface XdsSource extends Runnable {
  /** Undefined where everything is told anyway. */
  readonly demand: MeshDemand | undefined;
}

/** How many refused resources are told in one line of the log. */
const maxTold = 5;

export function createXdsSource(options: XdsSourceOptions): XdsSource {
  const { controlPlane, node, writer, recorder, log, addresses = 'all' } = options;
  const counters = createXdsCounters(recorder);
  const session = createDeltaSession({
    node: describeNode(node),
    types: [addressType, authorizationType],
    onDemand: addresses === 'on-demand' ? addressType : undefined,
  });
  const synced = Promise.withResolvers<void>();
  // Whoever starts it waits for it; one that is closed before has nobody left to tell.
  synced.promise.catch(() => {});
  const client = createDeltaClient({
    controlPlane,
    session,
    log,
    onStep: (step) => step !== undefined && writer.apply(step),
    onReceived(received) {
      counters.received(received);
      tell(log, received);
      demands?.told(received.told);
      if (received.sync === 'complete') synced.resolve();
    },
    onEnd: (reason) => counters.ended(reason),
  });
  const demands =
    addresses === 'all'
      ? undefined
      : createDemands({
          address: controlPlane.address,
          ask: (name) => client.ask(name),
          giveUp: (name) => client.giveUp(name),
          recorder,
        });
  const close = async (): Promise<void> => {
    demands?.close();
    synced.reject(new MeshError('DRAINED', 'closed before the control plane had sent the whole mesh'));
    await client.close();
  };
  return {
    demand: demands,
    async start() {
      client.start();
      await synced.promise;
      log.info({ held: Object.fromEntries(session.held()) }, 'mesh received');
    },
    drain: close,
    close,
  };
}

function tell(log: Logger, { typeUrl, resources, removed, rejected, rejectedCount }: Received): void {
  log.debug({ typeUrl, resources, removed }, 'xDS response applied');
  if (rejectedCount === 0) return;
  const reasons = rejected.slice(0, maxTold).map(({ name, reason }) => `${name}: ${reason}`);
  log.error({ typeUrl, rejected: rejectedCount, reasons }, 'xDS resources were refused; what they were before stays');
}
