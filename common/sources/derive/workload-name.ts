// The name of what a pod belongs to: its Deployment, CronJob or other owner, else its own. Source: istio-control.md §3.3.
import type { ObjectMeta } from '../kubernetes-object.ts';

export function workloadNameOf(pod: ObjectMeta): string {
  return pod.labels['service.istio.io/workload-name'] || ownerName(pod) || pod.name;
}

function ownerName(pod: ObjectMeta): string | undefined {
  const owner = pod.ownerReferences.find((reference) => reference.controller);
  if (pod.generateName === '' || owner === undefined) return undefined;
  if (owner.kind === 'ReplicaSet') {
    const hash = pod.labels['pod-template-hash'] ?? pod.labels['rollouts-pod-template-hash'];
    return hash !== undefined && owner.name.endsWith(`-${hash}`) ? owner.name.slice(0, -hash.length - 1) : owner.name;
  }
  if (owner.kind === 'ReplicationController') return pod.labels['deploymentconfig'] ?? owner.name;
  // A CronJob names its Jobs after the minute they run in.
  if (owner.kind === 'Job') return /^(.+)-\d{8,10}$/.exec(owner.name)?.[1] ?? owner.name;
  return owner.name;
}
