// Writes conditions into the status of objects by server-side apply, so that any number of writers may do the same. A write in; done,
// or a MeshError that says which one failed: NOT_PERMITTED for missing rights, IO_FAILED otherwise. Who is gone needs no status.
import {
  ApiException,
  CoreV1Api,
  CustomObjectsApi,
  createConfiguration,
  type KubeConfig,
  type Middleware,
  PatchStrategy,
  ServerConfiguration,
  setHeaderOptions,
} from '@kubernetes/client-node';
import { MeshError } from '../../../common/errors.ts';
import { apiGroup, describeObject } from '../../../common/sources/kubernetes-object.ts';
import type { StatusWrite } from './plan-status-writes.ts';

export interface StatusClient {
  /** @throws MeshError */
  apply(write: StatusWrite): Promise<void>;
}

const callTimeoutMs = 10_000;
const rightsFile = 'deploy/cluster/controller-rbac.yaml';

/** Of the kinds that get conditions. */
const plurals: Readonly<Record<string, string>> = {
  ServiceEntry: 'serviceentries',
  WorkloadEntry: 'workloadentries',
  AuthorizationPolicy: 'authorizationpolicies',
};

export function createStatusClient(config: KubeConfig): StatusClient {
  const configuration = createConfiguration({
    baseServer: new ServerConfiguration(config.getCurrentCluster()?.server ?? '', {}),
    authMethods: { default: config },
    promiseMiddleware: [timeLimit],
  });
  const core = new CoreV1Api(configuration);
  const custom = new CustomObjectsApi(configuration);
  const options = setHeaderOptions('Content-Type', PatchStrategy.ServerSideApply);
  return {
    async apply({ object, fieldManager, conditions }) {
      const { apiVersion, kind, metadata } = object;
      const at = { namespace: metadata.namespace, name: metadata.name };
      const body = { apiVersion, kind, metadata: at, status: { conditions } };
      const written = { ...at, body, fieldManager, force: true };
      const plural = plurals[kind];
      const version = apiVersion.split('/')[1] ?? '';
      try {
        if (plural === undefined) await core.patchNamespacedServiceStatus(written, options);
        else {
          const resource = { group: apiGroup(object), version, plural };
          await custom.patchNamespacedCustomObjectStatus({ ...written, ...resource }, options);
        }
      } catch (cause) {
        const status = cause instanceof ApiException ? cause.code : undefined;
        if (status !== 404) throw failure(`write the status of ${describeObject(object)}`, status, cause);
      }
    },
  };
}

const timeLimit: Middleware = {
  async pre(context) {
    context.setSignal(AbortSignal.timeout(callTimeoutMs));
    return context;
  },
  post: async (context) => context,
};

/** The library's own message would repeat headers and bodies. */
function failure(what: string, status: number | undefined, cause: unknown): MeshError {
  if (status === 401 || status === 403) {
    return new MeshError('NOT_PERMITTED', `may not ${what}: ${status}; apply ${rightsFile}`, { cause });
  }
  const reason = status ?? (cause instanceof Error ? cause.message : String(cause));
  return new MeshError('IO_FAILED', `cannot ${what}: ${reason}`, { cause });
}
