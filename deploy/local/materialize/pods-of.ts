// The pods that Kubernetes' controllers would make: Deployment, ReplicaSet, StatefulSet, DaemonSet, Job in, pods without
// addresses and status out, with the names, owners and labels by which the derivation finds their workload's name.
import { countOf, type Fields, fieldsOf, type KubernetesObject, namespaceOf, textsOf } from './kubernetes-object.ts';
import { podSuffix, stableText, templateHash, uidOf } from './object-names.ts';

interface PodPlan {
  readonly name: string;
  readonly generateName: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly owner: { readonly apiVersion: string; readonly kind: string; readonly name: string };
}

/** @returns undefined for an object that is no controller */
export function podsOf(object: KubernetesObject): readonly KubernetesObject[] | undefined {
  const spec = fieldsOf(object['spec']);
  const template = fieldsOf(spec['template']);
  const plans = plan(object, spec, template);
  return plans?.map((each) => podFrom(object, template, each));
}

function plan(object: KubernetesObject, spec: Fields, template: Fields): readonly PodPlan[] | undefined {
  const name = object.metadata.name;
  const hash = templateHash(template);
  const replicas = countOf(spec['replicas'], 1);
  const own = { apiVersion: object.apiVersion, kind: object.kind, name };
  const numbered = (count: number, prefix: string, labels: Record<string, string>, owner: PodPlan['owner']) =>
    Array.from({ length: count }, (_, index) => ({
      name: `${prefix}${podSuffix(`${namespaceOf(object)}/${prefix}`, index)}`,
      generateName: prefix,
      labels,
      owner,
    }));
  switch (object.kind) {
    case 'Deployment': {
      const replicaSet = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: `${name}-${hash}` };
      return numbered(replicas, `${name}-${hash}-`, { 'pod-template-hash': hash }, replicaSet);
    }
    case 'ReplicaSet':
      return numbered(replicas, `${name}-`, {}, own);
    case 'DaemonSet':
      return numbered(1, `${name}-`, { 'controller-revision-hash': hash }, own);
    case 'Job':
      return numbered(
        countOf(spec['parallelism'], 1),
        `${name}-`,
        { 'job-name': name, 'batch.kubernetes.io/job-name': name },
        own,
      );
    case 'StatefulSet':
      return Array.from({ length: replicas }, (_, index) => ({
        name: `${name}-${index}`,
        generateName: `${name}-`,
        labels: {
          'statefulset.kubernetes.io/pod-name': `${name}-${index}`,
          'apps.kubernetes.io/pod-index': `${index}`,
          'controller-revision-hash': `${name}-${hash}`,
        },
        owner: own,
      }));
    default:
      return undefined;
  }
}

function podFrom(object: KubernetesObject, template: Fields, plan: PodPlan): KubernetesObject {
  const meta = fieldsOf(template['metadata']);
  const namespace = namespaceOf(object);
  const uid = uidOf('Pod', namespace, plan.name, stableText(template));
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: plan.name,
      generateName: plan.generateName,
      namespace,
      uid,
      labels: { ...textsOf(meta['labels']), ...plan.labels },
      annotations: textsOf(meta['annotations']),
      ownerReferences: [
        {
          ...plan.owner,
          uid: uidOf(plan.owner.kind, namespace, plan.owner.name),
          controller: true,
          blockOwnerDeletion: true,
        },
      ],
    },
    spec: { ...fieldsOf(template['spec']), ...(object.kind === 'Job' ? {} : { restartPolicy: 'Always' }) },
  };
}
