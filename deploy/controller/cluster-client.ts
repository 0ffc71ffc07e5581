// The few calls of the Kubernetes API that the controller makes, each bounded in time. Values in and out; a failure is a
// MeshError that says which call failed and why: NOT_PERMITTED for missing rights, IO_FAILED otherwise.
import {
  AuthenticationV1Api,
  CoreV1Api,
  CustomObjectsApi,
  KubeConfig,
  type V1Pod,
  type V1Secret,
} from '@kubernetes/client-node';
import { readReview } from '../../common/ca/reviewed-token.ts';
import type { ClusterFacts } from '../../common/ca/token-authorizer.ts';
import { MeshError } from '../../common/errors.ts';
import { Field } from '../../common/sources/field.ts';
import { boundedConfiguration, failureOf, serverSideApply, statusOf } from './api-calls.ts';
import type { GatewayService } from './plan-gateways.ts';

/** Texts, not base64. */
export interface KeptSecret {
  readonly data: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly resourceVersion: string;
}

export interface ObjectName {
  readonly namespace: string;
  readonly name: string;
}

export interface SecretStore {
  /** Undefined when there is none. */
  readSecret(at: ObjectName): Promise<KeptSecret | undefined>;
  /** `conflict`: there is one already. */
  createSecret(at: ObjectName, data: KeptSecret['data']): Promise<'written' | 'conflict'>;
  /** `conflict`: it has changed since, or is gone. */
  replaceSecret(at: ObjectName, changed: KeptSecret): Promise<'written' | 'conflict'>;
}

export interface ConfigMapStore {
  /** Those that do not end. */
  listNamespaces(): Promise<readonly string[]>;
  /** Of every namespace that has a ConfigMap of this name: the text under this key. */
  listConfigMaps(name: string, key: string): Promise<ReadonlyMap<string, string | undefined>>;
  /** Creates it, or takes this key of it over. */
  applyConfigMap(at: ObjectName, data: Readonly<Record<string, string>>): Promise<void>;
}

export interface GatewayStore {
  /** As the API has them; none where the kind is not served. */
  listGateways(): Promise<readonly unknown[]>;
  /** Services that are labelled with the name of a Gateway. */
  listGatewayServices(): Promise<readonly GatewayService[]>;
  writeGatewayStatus(at: ObjectName, status: unknown): Promise<void>;
}

export type ClusterClient = ClusterFacts & SecretStore & ConfigMapStore & GatewayStore;

/** Who owns the written fields, as the API server keeps it. */
const writerName = 'ambientd-controller';

/** @param path of a kubeconfig; undefined: the service account of the pod this runs in. @throws MeshError CONFIG_INVALID */
export function loadKubeConfig(path: string | undefined): KubeConfig {
  const config = new KubeConfig();
  try {
    if (path === undefined) config.loadFromCluster();
    else config.loadFromFile(path);
  } catch (cause) {
    throw new MeshError('CONFIG_INVALID', `cannot read the kubeconfig ${path}: ${String(cause)}`, { cause });
  }
  if (URL.parse(config.getCurrentCluster()?.server ?? '') !== null) return config;
  const where = path === undefined ? 'this runs in no pod; set KUBECONFIG' : `${path} names no server of its context`;
  throw new MeshError('CONFIG_INVALID', `the Kubernetes API server is not known: ${where}`);
}

export function createClusterClient(config: KubeConfig): ClusterClient {
  const configuration = boundedConfiguration(config);
  const core = new CoreV1Api(configuration);
  const authentication = new AuthenticationV1Api(configuration);
  const call = <T>(what: string, answer: Promise<T>): Promise<T> =>
    answer.catch((cause: unknown) => {
      throw failureOf(what, config, cause);
    });

  return {
    async reviewToken(token, audiences) {
      const body = { spec: { token, audiences: [...audiences] } };
      const { status } = await call('review a token', authentication.createTokenReview({ body }));
      return readReview(status, audiences);
    },
    async nodeOfPod(namespace, name) {
      const pod = await orUndefined(core.readNamespacedPod({ namespace, name }), `read pod ${namespace}/${name}`, call);
      return pod?.spec?.nodeName || undefined;
    },
    async podsOfNode(node) {
      const answer = core.listPodForAllNamespaces({ fieldSelector: `spec.nodeName=${node}` });
      return (await call(`list the pods of node ${node}`, answer)).items.map(asNodePod);
    },
    ...secretStore(core, call),
    ...configMapStore(core, call),
    ...gatewayStore(core, new CustomObjectsApi(configuration), call),
  };
}

type Call = <T>(what: string, answer: Promise<T>) => Promise<T>;

function secretStore(core: CoreV1Api, call: Call): SecretStore {
  const described = ({ namespace, name }: ObjectName) => `secret ${namespace}/${name}`;
  return {
    async readSecret(at) {
      const found = await orUndefined(core.readNamespacedSecret(at), `read ${described(at)}`, call);
      return found && asKeptSecret(found);
    },
    createSecret: (at, data) => {
      const body = { metadata: at, type: 'Opaque', data: encodeValues(data) };
      return orConflict(
        core.createNamespacedSecret({ namespace: at.namespace, body }),
        `create ${described(at)}`,
        call,
      );
    },
    replaceSecret: (at, { data, annotations, resourceVersion }) => {
      const metadata = { ...at, annotations: { ...annotations }, resourceVersion };
      const answer = core.replaceNamespacedSecret({
        ...at,
        body: { metadata, type: 'Opaque', data: encodeValues(data) },
      });
      return orConflict(answer, `replace ${described(at)}`, call);
    },
  };
}

function configMapStore(core: CoreV1Api, call: Call): ConfigMapStore {
  return {
    async listNamespaces() {
      const { items } = await call('list namespaces', core.listNamespace());
      return items.filter(({ status }) => status?.phase !== 'Terminating').map(({ metadata }) => metadata?.name ?? '');
    },
    async listConfigMaps(name, key) {
      const answer = core.listConfigMapForAllNamespaces({ fieldSelector: `metadata.name=${name}` });
      const { items } = await call(`list the configmaps ${name}`, answer);
      return new Map(items.map(({ metadata, data }) => [metadata?.namespace ?? '', data?.[key]]));
    },
    async applyConfigMap(at, data) {
      const labels = { 'istio.io/config': 'true' };
      const body = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { ...at, labels }, data };
      const answer = core.patchNamespacedConfigMap(
        { ...at, body, fieldManager: writerName, force: true },
        serverSideApply,
      );
      await call(`write configmap ${at.namespace}/${at.name}`, answer);
    },
  };
}

export const gatewayNameLabel = 'gateway.networking.k8s.io/gateway-name';
const gateways = { group: 'gateway.networking.k8s.io', version: 'v1', plural: 'gateways' } as const;

function gatewayStore(core: CoreV1Api, custom: CustomObjectsApi, call: Call): GatewayStore {
  return {
    async listGateways() {
      const found = await orUndefined(custom.listClusterCustomObject(gateways), 'list gateways', call);
      return new Field('', found)
        .at('items')
        .items()
        .map(({ value }) => value);
    },
    async listGatewayServices() {
      const answer = core.listServiceForAllNamespaces({ labelSelector: gatewayNameLabel });
      const { items } = await call('list the services of gateways', answer);
      return items.map(({ metadata, spec }) => ({
        namespace: metadata?.namespace ?? '',
        name: metadata?.name ?? '',
        clusterIps: (spec?.clusterIPs ?? []).filter((ip) => ip !== '' && ip !== 'None'),
      }));
    },
    async writeGatewayStatus({ namespace, name }, status) {
      const body = {
        apiVersion: 'gateway.networking.k8s.io/v1',
        kind: 'Gateway',
        metadata: { namespace, name },
        status,
      };
      const at = { ...gateways, namespace, name };
      const answer = custom.patchNamespacedCustomObjectStatus(
        { ...at, body, fieldManager: writerName, force: true },
        serverSideApply,
      );
      await call(`write the status of gateway ${namespace}/${name}`, answer);
    },
  };
}

function asNodePod({ metadata, spec, status }: V1Pod) {
  return {
    namespace: metadata?.namespace ?? '',
    name: metadata?.name ?? '',
    uid: metadata?.uid ?? '',
    serviceAccount: spec?.serviceAccountName ?? '',
    phase: status?.phase ?? 'Unknown',
  };
}

function asKeptSecret({ data = {}, metadata }: V1Secret): KeptSecret {
  const texts = Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]);
  return {
    data: Object.fromEntries(texts),
    annotations: metadata?.annotations ?? {},
    resourceVersion: metadata?.resourceVersion ?? '',
  };
}

function encodeValues(data: KeptSecret['data']): Record<string, string> {
  return Object.fromEntries(Object.entries(data).map(([key, text]) => [key, Buffer.from(text).toString('base64')]));
}

async function orUndefined<T>(answer: Promise<T>, what: string, call: Call): Promise<T | undefined> {
  const found = answer.catch((error: unknown) => {
    if (statusOf(error) === 404) return undefined;
    throw error;
  });
  return call(what, found);
}

/** A replaced object that is gone answers 404, a created one that is there 409. */
async function orConflict(answer: Promise<unknown>, what: string, call: Call): Promise<'written' | 'conflict'> {
  const written = answer.then(
    () => 'written' as const,
    (error: unknown) => {
      if ([404, 409].includes(statusOf(error) ?? 0)) return 'conflict' as const;
      throw error;
    },
  );
  return call(what, written);
}
