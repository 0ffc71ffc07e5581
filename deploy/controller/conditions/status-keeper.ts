// Keeps the conditions of Services, ServiceEntries, WorkloadEntries and AuthorizationPolicies as the mesh is: watches what they depend
// on, and writes what differs. Any number of replicas may do so: all write the same.
import type { KubeConfig } from '@kubernetes/client-node';
import { codeOf, MeshError } from '../../../common/errors.ts';
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
import { createStatusClient, type StatusClient } from './status-client.ts';

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
/** When nothing has changed; whoever takes a condition away is noticed by the watch. */
const idleMs = 600_000;

const writes: MetricDefinition = {
  name: 'ambientd_controller_status_writes_total',
  help: 'Statuses of objects that were to be written, by outcome: written or failed',
  kind: 'counter',
  labelNames: ['outcome'],
};

/** `start` resolves at once: nobody waits for statuses. */
export function createStatusKeeper({ access, kubeConfig, settings, recorder, log }: StatusKeeperOptions): Runnable {
  const objects = new Map<string, KubernetesObject>();
  const client = createStatusClient(kubeConfig);
  const [written, failed] = ['written', 'failed'].map((outcome) => recorder.counter(writes, [outcome]));
  let stage: 'loading' | 'complete' = 'loading';

  /** @throws MeshError where not all could be written */
  async function synchronize(): Promise<number> {
    const planned = stage === 'loading' ? [] : planConditions([...objects.values()], settings);
    const due = planStatusWrites(planned, new Date().toISOString());
    const failures = await writeAll(client, due);
    const count = due.length - failures.length;
    written?.add(count);
    failed?.add(failures.length);
    if (count > 0) log.info({ objects: count }, 'status written');
    if (failures.length > 0) throw failureOfAll(failures);
    return Date.now() + idleMs;
  }

  const loop = createSyncLoop({ run: synchronize, now: Date.now, onFailure() {}, log });
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

/** @returns what has failed */
async function writeAll(client: StatusClient, due: readonly StatusWrite[]): Promise<readonly unknown[]> {
  const pending = [...due];
  const failures: unknown[] = [];
  const writeOn = async (): Promise<void> => {
    for (let one = pending.shift(); one !== undefined; one = pending.shift()) {
      await client.apply(one).catch((error: unknown) => failures.push(error));
    }
  };
  await Promise.all(Array.from({ length: writesAtOnce }, writeOn));
  return failures;
}

/** One for all: what may not be written of one object may not be of a thousand. */
function failureOfAll(failures: readonly unknown[]): MeshError {
  const [cause] = failures;
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new MeshError(codeOf(cause), `${failures.length} statuses were not written: ${reason}`, { cause });
}
