// Which statuses have to be written so that objects tell what is planned, and what is written: only what differs. Pure.
import { apiGroup, type KubernetesObject } from '../../../common/sources/kubernetes-object.ts';
import { type Condition, type PlannedConditions, type PresentCondition, presentConditions } from './condition.ts';

/** One server-side apply on the status of an object. */
export interface StatusWrite {
  readonly object: KubernetesObject;
  readonly fieldManager: string;
  readonly conditions: readonly Readonly<Record<string, string>>[];
}

/** @param now RFC 3339 */
export function planStatusWrites(planned: readonly PlannedConditions[], now: string): readonly StatusWrite[] {
  return planned.flatMap(({ object, types, fieldManager, conditions }) => {
    const present = presentConditions(object, types);
    if (present.length === conditions.length && conditions.every((condition) => isThere(condition, present))) return [];
    return [
      { object, fieldManager, conditions: conditions.map((condition) => written(condition, object, present, now)) },
    ];
  });
}

function isThere(condition: Condition, present: readonly PresentCondition[]): boolean {
  return present.some(
    ({ type, status, reason, message, observedGeneration }) =>
      type === condition.type &&
      status === condition.status &&
      reason === condition.reason &&
      message === condition.message &&
      observedGeneration === condition.observedGeneration,
  );
}

/** The time is that of the last change of the status; a generation is a text in Istio's own kinds. */
function written(
  { type, status, reason, message, observedGeneration }: Condition,
  object: KubernetesObject,
  present: readonly PresentCondition[],
  now: string,
): Readonly<Record<string, string>> {
  const before = present.find((condition) => condition.type === type);
  const lastTransitionTime = before?.status === status ? before.lastTransitionTime || now : now;
  return {
    type,
    status,
    reason,
    lastTransitionTime,
    // A condition of a built-in kind must have a message.
    ...((message !== '' || apiGroup(object) === '') && { message }),
    ...(observedGeneration !== undefined && { observedGeneration: `${observedGeneration}` }),
  };
}
