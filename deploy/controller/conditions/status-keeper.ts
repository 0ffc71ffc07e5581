// Keeps the conditions of Services, ServiceEntries, WorkloadEntries and AuthorizationPolicies as the mesh is: watches what they depend
// on, and writes what differs. Any number of replicas may do so: all write the same.
import type { KubeConfig } from '@kubernetes/client-node';
import type { Runnable } from '../../../common/lifecycle.ts';
import type { Logger } from '../../../common/log.ts';
import type { MeshSettings } from '../../../common/sources/derive/mesh-settings.ts';
import { createKindsWatcher } from '../../../common/sources/kubernetes/kinds-watcher.ts';
import type { KubernetesAccess } from '../../../common/sources/kubernetes/kubernetes-access.ts';
import { meshKinds } from '../../../common/sources/kubernetes/watched-kinds.ts';
import { type KubernetesObject, objectKey } from '../../../common/sources/kubernetes-object.ts';
import type { MetricDefinition, Recorder } from '../../../common/telemetry/recorder.ts';
import { createSyncLoop } from '../sync-loop.ts';
import { planConditions } from './plan-conditions.ts';
import { planStatusWrites, type StatusWrite } from './plan-status-writes.ts';
import { createStatusClient } from './status-client.ts';

export interface StatusKeeperOptions {
  readonly access: KubernetesAccess;
  readonly kubeConfig: KubeConfig;
  readonly settings: MeshSettings;
  readonly recorder: Recorder;
  readonly log: Logger;
}

const kindsRead = [
  'Namespace',
  'Service',
  'ConfigMap',
  'GatewayClass',
  'Gateway',
  'ServiceEntry',
  'WorkloadEntry',
  'AuthorizationPolicy',
];
const writesAtOnce = 8;
const retryMs = 5_000;
/** When nothing has changed; whoever takes a condition away is noticed by the watch. */
const idleMs = 600_000;

const writes: MetricDefinition = {
  name: 'ambientd_controller_status_writes_total',
  help: 'Statuses of objects that were written, by outcome.',
  kind: 'counter',
  labelNames: ['outcome'],
};

/** `start` resolves at once: nobody waits for statuses. */
export function createStatusKeeper({ access, kubeConfig, settings, recorder, log }: StatusKeeperOptions): Runnable {
  const objects = new Map<string, KubernetesObject>();
  const client = createStatusClient(kubeConfig);
  const [written, failed] = ['written', 'failed'].map((outcome) => recorder.counter(writes, [outcome]));
  let stage: 'loading' | 'complete' = 'loading';

  async function write(one: StatusWrite): Promise<'written' | 'failed'> {
    try {
      await client.apply(one);
      written?.add(1);
      return 'written';
    } catch (error) {
      failed?.add(1);
      log.warn({ error }, 'status not written');
      return 'failed';
    }
  }

  async function synchronize(): Promise<number> {
    const planned = stage === 'loading' ? [] : planConditions([...objects.values()], settings);
    const pending = [...planStatusWrites(planned, new Date().toISOString())];
    const count = { written: 0, failed: 0 };
    const writeOn = async (): Promise<void> => {
      for (let one = pending.shift(); one !== undefined; one = pending.shift()) count[await write(one)] += 1;
    };
    await Promise.all(Array.from({ length: writesAtOnce }, writeOn));
    if (count.written > 0) log.info({ objects: count.written }, 'status written');
    return Date.now() + (count.failed > 0 ? retryMs : idleMs);
  }

  const loop = createSyncLoop({ run: synchronize, now: Date.now, onFailure: () => failed?.add(1), log });
  const watcher = createKindsWatcher({
    access,
    kinds: meshKinds(settings.systemNamespace).filter(({ kind }) => kindsRead.includes(kind)),
    onChanges(changes) {
      for (const change of changes) {
        if (change.kind === 'gone') objects.delete(change.key);
        else objects.set(objectKey(change.object), change.object);
      }
      if (stage === 'complete') loop.poke();
    },
    onComplete() {
      stage = 'complete';
      loop.poke();
    },
    log,
    recorder,
  });
  return {
    async start() {
      void loop.start();
      watcher.start().catch((error: unknown) => log.debug({ error }, 'statuses are not kept'));
    },
    drain: (deadlineMs) => watcher.drain(deadlineMs),
    async close() {
      await watcher.close();
      await loop.close();
    },
  };
}
