// The two kinds of resource that are subscribed to: how their bytes become a part of a mesh update, and what a name that
// is gone takes away. Names: a workload's uid, `namespace/hostname` of a service, `namespace/name` of a policy.
import type { AuthorizationPolicy } from '../mesh/authorization-policy.ts';
import { policyKey } from '../mesh/authorization-policy.ts';
import { type Service, serviceKey } from '../mesh/service.ts';
import type { Workload, WorkloadUid } from '../mesh/workload.ts';
import { authorizationTypeUrl, decodeAuthorization } from './authorization-codec.ts';
import { addressTypeUrl, decodeAddress } from './workload-codec.ts';

/** A mesh update that grows. */
export interface UpdateDraft {
  readonly workloads: Workload[];
  readonly services: Service[];
  readonly policies: AuthorizationPolicy[];
  readonly removedWorkloads: WorkloadUid[];
  readonly removedServices: string[];
  readonly removedPolicies: string[];
}

export function draftUpdate(): UpdateDraft {
  return {
    workloads: [],
    services: [],
    policies: [],
    removedWorkloads: [],
    removedServices: [],
    removedPolicies: [],
  };
}

export interface ResourceType {
  readonly typeUrl: string;
  /** Adds what the bytes hold, and returns the key by which it is removed. @throws MeshError RESOURCE_INVALID */
  add(value: Uint8Array, update: UpdateDraft): string;
  remove(key: string, update: UpdateDraft): void;
}

export const addressType: ResourceType = {
  typeUrl: addressTypeUrl,
  add(value, { workloads, services }) {
    const address = decodeAddress(value);
    if (address.kind === 'workload') {
      workloads.push(address.workload);
      return address.workload.uid;
    }
    services.push(address.service);
    return serviceKey(address.service);
  },
  // A name says not which of the two it was; removing what is not there does nothing.
  remove(key, { removedWorkloads, removedServices }) {
    removedWorkloads.push(key as WorkloadUid);
    removedServices.push(key);
  },
};

export const authorizationType: ResourceType = {
  typeUrl: authorizationTypeUrl,
  add(value, { policies }) {
    const policy = decodeAuthorization(value);
    policies.push(policy);
    return policyKey(policy);
  },
  remove: (key, { removedPolicies }) => void removedPolicies.push(key),
};
