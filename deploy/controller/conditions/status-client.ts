// Writes conditions into the status of objects by server-side apply, so that any number of writers may do the same. A write in; done,
// or a MeshError that says which one failed: NOT_PERMITTED for missing rights, IO_FAILED otherwise. Who is gone needs no status.
import { CoreV1Api, CustomObjectsApi, type KubeConfig } from '@kubernetes/client-node';
import { apiGroup, describeObject } from '../../../common/sources/kubernetes-object.ts';
import { boundedConfiguration, failureOf, serverSideApply, statusOf } from '../api-calls.ts';
import type { StatusWrite } from './plan-status-writes.ts';

export interface StatusClient {
  /** @throws MeshError */
  apply(write: StatusWrite): Promise<void>;
}

/** Of the kinds that get conditions. */
const plurals: Readonly<Record<string, string>> = {
  ServiceEntry: 'serviceentries',
  WorkloadEntry: 'workloadentries',
  AuthorizationPolicy: 'authorizationpolicies',
};

export function createStatusClient(config: KubeConfig): StatusClient {
  const configuration = boundedConfiguration(config);
  const core = new CoreV1Api(configuration);
  const custom = new CustomObjectsApi(configuration);
  return {
    async apply({ object, fieldManager, conditions }) {
      const { apiVersion, kind, metadata } = object;
      const at = { namespace: metadata.namespace, name: metadata.name };
      const body = { apiVersion, kind, metadata: at, status: { conditions } };
      const written = { ...at, body, fieldManager, force: true };
      const plural = plurals[kind];
      const version = apiVersion.split('/')[1] ?? '';
      try {
        if (plural === undefined) await core.patchNamespacedServiceStatus(written, serverSideApply);
        else {
          const resource = { group: apiGroup(object), version, plural };
          await custom.patchNamespacedCustomObjectStatus({ ...written, ...resource }, serverSideApply);
        }
      } catch (cause) {
        if (statusOf(cause) !== 404) throw failureOf(`write the status of ${describeObject(object)}`, config, cause);
      }
    },
  };
}
