// Conditions in the status of Kubernetes objects, as istiod writes them (istio-control.md §3.10), and those that an object has now.
import { Field, MalformedField } from '../../../common/sources/field.ts';
import type { KubernetesObject } from '../../../common/sources/kubernetes-object.ts';

export interface Condition {
  readonly type: string;
  readonly status: 'True' | 'False';
  readonly reason: string;
  /** "" is left out. */
  readonly message: string;
  /** Of the object that is spoken of; undefined where istiod does not say it. */
  readonly observedGeneration: number | undefined;
}

/** What of an object is ours to write. */
export interface PlannedConditions {
  readonly object: KubernetesObject;
  /** Types that nobody else writes. */
  readonly types: readonly string[];
  /** istiod's own name, so that it and we take over from each other. */
  readonly fieldManager: string;
  readonly conditions: readonly Condition[];
}

export interface PresentCondition extends Condition {
  readonly lastTransitionTime: string;
}

/** Those of the types, as they are now; unreadable ones are as good as none. */
export function presentConditions(object: KubernetesObject, types: readonly string[]): readonly PresentCondition[] {
  try {
    return new Field('status', object.status)
      .at('conditions')
      .items()
      .filter((condition) => types.includes(condition.at('type').text()))
      .map((condition) => {
        const generation = condition.at('observedGeneration').value;
        return {
          type: condition.at('type').text(),
          status: condition.at('status').text() === 'True' ? 'True' : 'False',
          reason: condition.at('reason').text(),
          message: condition.at('message').text(),
          observedGeneration: generation === undefined ? undefined : Number(generation),
          lastTransitionTime: condition.at('lastTransitionTime').text(),
        };
      });
  } catch (error) {
    if (error instanceof MalformedField) return [];
    throw error;
  }
}
