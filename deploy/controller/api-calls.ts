// What all calls of the Kubernetes API by the controller share: a bound in time, how statuses and ConfigMaps are written, and what is said
// of a call that failed: NOT_PERMITTED for missing rights, IO_FAILED otherwise.
import {
  ApiException,
  type Configuration,
  createConfiguration,
  type KubeConfig,
  type Middleware,
  PatchStrategy,
  ServerConfiguration,
  setHeaderOptions,
} from '@kubernetes/client-node';
import { MeshError } from '../../common/errors.ts';

const callTimeoutMs = 10_000;
const rightsFile = 'deploy/cluster/controller-rbac.yaml';

/** Any number of writers may do the same. */
export const serverSideApply = setHeaderOptions('Content-Type', PatchStrategy.ServerSideApply);

export function boundedConfiguration(config: KubeConfig): Configuration {
  return createConfiguration({
    baseServer: new ServerConfiguration(serverOf(config), {}),
    authMethods: { default: config },
    promiseMiddleware: [timeLimit],
  });
}

const timeLimit: Middleware = {
  async pre(context) {
    context.setSignal(AbortSignal.timeout(callTimeoutMs));
    return context;
  },
  post: async (context) => context,
};

/** The HTTP status that the API answered with; undefined where it did not answer. */
export function statusOf(error: unknown): number | undefined {
  return error instanceof ApiException ? error.code : undefined;
}

/**
 * The library's own message would repeat headers and bodies.
 * @param what was to be done: `write the status of …`
 */
export function failureOf(what: string, config: KubeConfig, cause: unknown): MeshError {
  const status = statusOf(cause);
  if (status === 401 || status === 403) {
    const remedy = status === 403 ? `apply ${rightsFile}` : 'check the token of its service account';
    return new MeshError('NOT_PERMITTED', `may not ${what}: ${describe(cause)}; ${remedy}`, { cause });
  }
  return new MeshError('IO_FAILED', `cannot ${what} at ${serverOf(config)}: ${describe(cause)}; check the API server`, {
    cause,
  });
}

function describe(error: unknown): string {
  if (error instanceof ApiException)
    return `HTTP status ${error.code}, ${messageOf(error.body) ?? 'without a message'}`;
  if (!(error instanceof Error)) return String(error);
  // The message of a failed fetch is in its cause.
  return error.cause instanceof Error && error.cause.message !== '' ? error.cause.message : error.message;
}

/** Of a Kubernetes Status, parsed or as text. */
function messageOf(body: unknown): string | undefined {
  if (typeof body === 'string') {
    try {
      return messageOf(JSON.parse(body));
    } catch {
      return undefined;
    }
  }
  const message = typeof body === 'object' && body !== null && 'message' in body ? body.message : undefined;
  return typeof message === 'string' ? message : undefined;
}

function serverOf(config: KubeConfig): string {
  return config.getCurrentCluster()?.server ?? '';
}
