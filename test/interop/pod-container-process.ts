// Runs a pod's container as a kubelet would, without its image: the environment, tokens, ConfigMaps and sockets that its spec names,
// in the pod's network namespace and a mount namespace of its own. In: the pod as the API has it, and a program for the image.
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { Test } from 'tap';
import { spawnInNamespace } from '../../common/net/run-in-namespace-process.ts';
import { Field } from '../../common/sources/field.ts';
import type { ClusterPod } from './cluster-network.ts';
import type { KubernetesLab } from './kubernetes-lab.ts';

export interface PodContainer {
  readonly pod: ClusterPod;
  /** Everything written so far to standard output and standard error. */
  log(): string;
  /** @throws with its log when it is not there after a while */
  ready(): Promise<void>;
  /** Of a server that is not captured. */
  page(port: number, path: string): Promise<string>;
  /** @returns its exit code; undefined where it had to be killed */
  stop(): Promise<number | undefined>;
}

export interface ContainerOptions {
  readonly cluster: KubernetesLab;
  readonly pod: ClusterPod;
  /** What the image has as its entry point; the container's args follow. */
  readonly program: readonly string[];
  /** In place of the container's own. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly apiServer: { readonly address: string; readonly port: number };
}

const apiAudience = 'https://kubernetes.default.svc.cluster.local';
const readinessPort = 15_021;
const patienceMs = 60_000;
const stopMs = 12_000;

/** Mounts all that the pod has below /var/run; what it has elsewhere (caches, scratch space) is not needed without an image. */
export async function runContainer(t: Test, options: ContainerOptions): Promise<PodContainer> {
  const { cluster, pod, program, apiServer } = options;
  const container = new Field('container', pod.object.spec.containers[0]);
  const folder = join(cluster.folder, 'pods', pod.object.metadata.uid);
  await writeVolumes(cluster, pod, container, folder);
  const env = {
    PATH: process.env['PATH'],
    KUBERNETES_SERVICE_HOST: apiServer.address,
    KUBERNETES_SERVICE_PORT: `${apiServer.port}`,
    ...(await environmentOf(cluster, pod, container)),
    ...options.env,
  };
  const args = options.args ?? container.at('args').texts();
  const sockets = `/run/ambientd-nodes/${pod.object.spec.nodeName}`;
  mkdirSync(sockets, { recursive: true });
  mkdirSync(join(folder, 'var/run/secrets'), { recursive: true });
  const mounts = `mount --bind ${join(folder, 'var/run/secrets')} /run/secrets && mount --bind ${sockets} /run/ztunnel`;
  const command = ['unshare', '--mount', 'sh', '-c', `${mounts} && exec "$@"`, 'sh', ...program, ...args];
  const child = spawnInNamespace(pod.network.namespace, ['setpriv', '--pdeathsig', 'KILL', ...command], {
    ...{ cwd: '/', env, stdio: ['ignore', 'pipe', 'pipe'] },
  });
  let log = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => (log += String(chunk)));
  const closed = once(child, 'close');
  const stop = async (): Promise<number | undefined> => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
    const late = setTimeout(stopMs, undefined, { ref: false }).then(() => child.kill('SIGKILL'));
    await Promise.race([closed, late.then(() => closed)]);
    return child.exitCode ?? undefined;
  };
  t.teardown(async () => void (await stop()));
  const page = async (port: number, path: string): Promise<string> => {
    const answer = await fetch(`http://${pod.pod.address}:${port}${path}`, { headers: { connection: 'close' } });
    if (answer.ok) return await answer.text();
    throw new Error(`${path} of ${pod.pod.name} answered ${answer.status} ${await answer.text()}`);
  };
  const ready = async (): Promise<void> => {
    for (const endMs = Date.now() + patienceMs; ; await setTimeout(100)) {
      const lack = await page(readinessPort, '/healthz/ready').then(() => undefined, String);
      if (lack === undefined) return;
      if (child.exitCode !== null || Date.now() > endMs) {
        throw new Error(`${pod.pod.name} is not ready (${lack}):\n${log.slice(-4_000)}`);
      }
    }
  };
  return { pod, log: () => log, ready, page, stop };
}

async function environmentOf(
  cluster: KubernetesLab,
  { object }: ClusterPod,
  container: Field,
): Promise<Record<string, string>> {
  const env: Record<string, string> = {};
  for (const source of container.at('envFrom').items()) {
    const name = source.at('configMapRef').at('name').requiredText();
    const found = await cluster.read(`namespaces/${object.metadata.namespace}/configmaps/${name}`);
    Object.assign(env, new Field('', found).at('data').textMap());
  }
  for (const entry of container.at('env').items()) {
    const path = entry.at('valueFrom').at('fieldRef').at('fieldPath').text();
    if (path !== '') env[entry.at('name').requiredText()] = valueAt(object, path);
    else if (entry.at('valueFrom').isAbsent) env[entry.at('name').requiredText()] = entry.at('value').text();
  }
  return env;
}

/** `metadata.labels['a/b']`, `status.podIP`. */
function valueAt(object: unknown, path: string): string {
  const [, before = path, key] = /^(.+)\['([^']+)'\]$/.exec(path) ?? [];
  const field = before.split('.').reduce((at, member) => at.at(member), new Field('', object));
  return key === undefined ? field.text() : field.at(key).text();
}

async function writeVolumes(cluster: KubernetesLab, pod: ClusterPod, container: Field, folder: string): Promise<void> {
  const volumes = new Map(
    (pod.object.spec.volumes ?? []).map((value) => {
      const volume = new Field('volume', value);
      return [volume.at('name').requiredText(), volume] as const;
    }),
  );
  for (const mount of container.at('volumeMounts').items()) {
    const path = mount.at('mountPath').requiredText();
    const volume = volumes.get(mount.at('name').requiredText());
    if (volume === undefined || !path.startsWith('/var/run/')) continue;
    for (const [name, text] of await filesOf(cluster, pod, volume)) {
      const file = join(folder, path, name);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, text, { mode: 0o600 });
    }
  }
}

async function filesOf(cluster: KubernetesLab, pod: ClusterPod, volume: Field): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  const { namespace, name } = pod.object.metadata;
  const take = async (configMap: Field): Promise<void> => {
    const found = await cluster.read(`namespaces/${namespace}/configmaps/${configMap.at('name').requiredText()}`);
    const data = new Field('', found).at('data').textMap();
    const items = configMap.at('items').items();
    const wanted = items.map((item) => [item.at('path').requiredText(), item.at('key').requiredText()] as const);
    const all = Object.keys(data).map((key) => [key, key] as const);
    for (const [path, key] of items.length > 0 ? wanted : all) files.set(path, data[key] ?? '');
  };
  if (!volume.at('configMap').isAbsent) await take(volume.at('configMap'));
  for (const source of volume.at('projected').at('sources').items()) {
    const token = source.at('serviceAccountToken');
    if (!token.isAbsent) {
      const audience = token.at('audience').text() || apiAudience;
      const text = await cluster.token(namespace, pod.pod.serviceAccount, { pod: name, audience });
      files.set(token.at('path').requiredText(), text);
    }
    if (!source.at('configMap').isAbsent) await take(source.at('configMap'));
    for (const item of source.at('downwardAPI').at('items').items()) {
      const fieldPath = item.at('fieldRef').at('fieldPath').requiredText();
      files.set(item.at('path').requiredText(), valueAt(pod.object, fieldPath));
    }
  }
  return files;
}
