// What happens to a ztunnel when its istiod goes, comes back as another, changes its root, does not know our token any more, or
// sends what is very large; and certificates of 30 s, with addresses on demand. Traffic goes on through all of it.
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { inUserNamespace, whatIsMissing } from '../support/in-user-namespace.ts';
import { connectThrough, echo, startProgram } from '../support/tcp-programs.ts';
import { type KubernetesLab, startLab, whyNoLab } from './kubernetes-lab.ts';
import { type ConfigDump, type NodeProxy, startNodeProxy } from './node-proxy-process.ts';
import { type SteadyTraffic, startTraffic } from './steady-traffic-process.ts';

const root = join(import.meta.dirname, '../..');
const input = join(process.env['AMBIENTD_SHARED'] ?? join(root, '../shared'), 'lab/samples/input.yaml');
const [entry, pod, port] = ['127.0.0.1', '10.9.200.1', 8080] as const;

const holdsPod = (name: string) => (dump: ConfigDump) => dump.workloads.some((workload) => workload.name === name);
const holdsPolicy = (name: string) => (dump: ConfigDump) => dump.policies.some((policy) => policy.name === name);
const not = (is: (dump: ConfigDump) => boolean) => (dump: ConfigDump) => !is(dump);
const isReady = (dump: ConfigDump): boolean =>
  holdsPod('client')(dump) && dump.certificates.some(({ state }) => state === 'Available');

/** What a test of this file works on. */
interface Scene {
  readonly cluster: KubernetesLab;
  readonly files: { readonly token: string; readonly root: string };
  readonly start: (env?: Readonly<Record<string, string>>) => Promise<NodeProxy>;
}

t.setTimeout(400_000);
const lack = whyNoLab() ?? whatIsMissing(['ip']) ?? (existsSync(input) ? undefined : `there is no ${input}`);
if (lack !== undefined) t.test('chaos with istiod', { skip: lack }, async () => {});
else if (await inUserNamespace(t, import.meta.filename, ['ip'])) await t.test('chaos with istiod', runTests);

async function runTests(t: Test): Promise<void> {
  const scene = await setScene(t);
  await t.test('istiod is away, and comes back as another', async (t) => {
    const ours = await scene.start();
    const traffic = await startSteadyTraffic(t);
    await t.test('a refused token is told; a new one is read, and what went meanwhile is noticed', () =>
      refuseToken(scene, ours),
    );
    await t.test('a new root of istiod is not believed until its file says so', () => replaceRoot(scene, ours));
    await t.test('a policy of hundreds of kilobytes is applied like any other', () => sendLarge(scene, ours));
    await endTraffic(t, traffic);
    await ours.stop();
  });
  await t.test('certificates of 30 s, and addresses on demand', async (t) => {
    const onDemand = { XDS_ON_DEMAND: 'true', ISTIO_META_DNS_CAPTURE: 'false' };
    const ours = await scene.start({ SECRET_TTL: '30s', ...onDemand });
    const traffic = await startSteadyTraffic(t);
    const serials = watchSerials(t, ours);
    await t.test('what a connection needs is asked for, and followed from then on', (t) => askOnDemand(scene, ours, t));
    while (serials.seen.size < 4) await setTimeout(500);
    t.same(serials.problems, [], 'there was a valid certificate at any time');
    await endTraffic(t, traffic);
  });
}

async function setScene(t: Test): Promise<Scene> {
  spawnSync('ip', ['link', 'set', 'lo', 'up']);
  const cluster = startLab(t, 'with-istiod');
  cluster.lab('apply', input);
  cluster.kubectl('wait', '-n', 'sample', '--for=condition=Ready', 'pod', '--all', '--timeout=60s');
  for (const address of ['10.9.200.1/32', '10.9.200.40/32', '10.9.200.41/32']) {
    spawnSync('ip', ['addr', 'add', address, 'dev', 'lo']);
  }
  const files = { token: join(cluster.folder, 'client-token'), root: join(cluster.folder, 'root-of-istiod.pem') };
  writeFileSync(files.token, await cluster.token('sample', 'client', { pod: 'client' }));
  copyFileSync(join(cluster.folder, 'pki/istio-root.pem'), files.root);
  const start = async (more: Readonly<Record<string, string>> = {}): Promise<NodeProxy> => {
    const command = [process.execPath, join(root, 'ztunnel/main.ts'), 'proxy', 'ztunnel'];
    const proxy = await startNodeProxy(t, command, { ...environment(files), ...more });
    await proxy.dumpWhen(isReady);
    return proxy;
  };
  return { cluster, files, start };
}

function environment({ token, root }: Scene['files']): Record<string, string> {
  const istiod = 'https://127.0.0.1:15012';
  return {
    ...{ XDS_ADDRESS: istiod, CA_ADDRESS: istiod, XDS_ROOT_CA: root, CA_ROOT_CA: root, AUTH_TOKEN: token },
    ...{ ALT_XDS_HOSTNAME: 'istiod.istio-system.svc', ALT_CA_HOSTNAME: 'istiod.istio-system.svc' },
    ...{ PROXY_MODE: 'dedicated', PROXY_WORKLOAD_INFO: 'sample/client/client', NODE_NAME: 'node-a' },
    ...{ POD_NAME: 'client', POD_NAMESPACE: 'sample', SERVICE_ACCOUNT: 'client', INSTANCE_IP: pod },
    // Tunnels that are let go at once, so that each connection needs the certificate of its time.
    ...{
      ENABLE_ORIG_SRC: 'false',
      UNSTABLE_ENABLE_SOCKS5: 'true',
      RUST_LOG: 'info,access=warn',
      POOL_UNUSED_RELEASE_TIMEOUT: '100ms',
    },
  };
}

async function startSteadyTraffic(t: Test): Promise<SteadyTraffic> {
  const traffic = startTraffic(t, { entry, address: pod, port });
  await traffic.answers(2);
  return traffic;
}

async function endTraffic(t: Test, traffic: SteadyTraffic): Promise<void> {
  await traffic.answers(2);
  const { answered, failures } = await traffic.stop();
  t.same(failures, [], `traffic went on: ${answered} connections, and one all the time`);
}

function killIstiod({ cluster }: Scene): void {
  const file = join(cluster.folder, 'run/istiod.pid');
  process.kill(Number(readFileSync(file, 'utf8').split(' ')[0]), 'SIGKILL');
  rmSync(file);
}

async function refuseToken(scene: Scene, ours: NodeProxy): Promise<void> {
  const { cluster, files } = scene;
  cluster.lab('pod', 'late', '--namespace', 'sample', '--ip', '10.9.200.77', '--node', 'node-a');
  await ours.dumpWhen(holdsPod('late'));
  killIstiod(scene);
  writeFileSync(files.token, cluster.expiredToken('client', 'sample'));
  cluster.kubectl('delete', '-n', 'sample', 'authorizationpolicy', 'only-client');
  cluster.kubectl('delete', '-n', 'sample', 'pod', 'late', '--force');
  cluster.lab('istiod', 'POD_NAME=istiod-other');
  await ours.says(/UNAUTHENTICATED: .*check the token \(AUTH_TOKEN\)/);
  await ours.dumpWhen((dump) => holdsPod('late')(dump) && holdsPolicy('only-client')(dump));
  writeFileSync(files.token, await cluster.token('sample', 'client', { pod: 'client' }));
  await ours.dumpWhen((dump) => !holdsPod('late')(dump) && !holdsPolicy('only-client')(dump));
}

async function replaceRoot(scene: Scene, ours: NodeProxy): Promise<void> {
  const { cluster, files } = scene;
  const before = readFileSync(files.root, 'utf8');
  cluster.kubectl('delete', '-n', 'istio-system', 'secret', 'istio-ca-secret');
  killIstiod(scene);
  cluster.startAgain();
  await ours.says(/certificate.*check that the control plane runs at XDS_ADDRESS and that XDS_ROOT_CA holds its root/);
  const query = ['-o', 'jsonpath={.data.root-cert\\.pem}'];
  const published = (): string =>
    cluster.kubectl('get', '-n', 'istio-system', 'configmap', 'istio-ca-root-cert', ...query);
  while (published() === before.trim()) await setTimeout(200);
  writeFileSync(files.root, `${published()}\n`);
  cluster.kubectl('delete', '-n', 'sample', 'peerauthentication', 'strict');
  await ours.dumpWhen(not((dump) => dump.policies.some(({ name }) => name.includes('strict'))));
}

async function sendLarge({ cluster }: Scene, ours: NodeProxy): Promise<void> {
  const blocks = Array.from(
    { length: 12_000 },
    (_, index) => `172.${16 + (index >> 12)}.${(index >> 4) & 255}.${(index & 15) * 16}/28`,
  );
  const from = [{ source: { notIpBlocks: blocks } }];
  const policy = {
    ...{ apiVersion: 'security.istio.io/v1', kind: 'AuthorizationPolicy' },
    ...{
      metadata: { name: 'large', namespace: 'sample' },
      spec: { action: 'DENY', rules: [{ from, to: [{ operation: { ports: ['81'] } }] }] },
    },
  };
  // `apply` keeps the whole object in an annotation, which it is too large for.
  const file = join(cluster.folder, 'large.json');
  writeFileSync(file, JSON.stringify(policy));
  cluster.kubectl('create', '-f', file);
  const dump = await ours.dumpWhen(holdsPolicy('large'));
  const large = JSON.stringify(dump.policies.find(({ name }) => name === 'large'));
  if (large.split('/28').length !== 12_001) throw new Error(`a part of it is missing: ${large.length} bytes`);
}

interface SeenSerials {
  readonly seen: Set<string>;
  readonly problems: string[];
}

function watchSerials(t: Test, ours: NodeProxy): SeenSerials {
  const watched: SeenSerials = { seen: new Set(), problems: [] };
  let state: 'watching' | 'ended' = 'watching';
  const watch = async (): Promise<void> => {
    while (state === 'watching') {
      const { certificates } = await ours.dumpWhen(() => true);
      const [leaf] = certificates[0]?.certChain ?? [];
      if (leaf === undefined || Date.parse(leaf.expirationTime) < Date.now()) {
        watched.problems.push(`${new Date().toISOString()}: ${JSON.stringify(certificates[0])}`);
      } else {
        watched.seen.add(leaf.serialNumber);
      }
      await setTimeout(250);
    }
  };
  const watching = watch();
  t.teardown(async () => {
    state = 'ended';
    await watching;
  });
  return watched;
}

async function askOnDemand({ cluster }: Scene, ours: NodeProxy, t: Test): Promise<void> {
  const first = await ours.dumpWhen(isReady);
  t.notOk(holdsPod('podinfo')(first), 'a pod of another node is not told of');
  t.ok(first.policies.length > 0, 'policies are, all of them');

  // Beside the mesh: it is asked for, is not there, and is passed through.
  const outside = await startProgram('10.9.200.40', 9000, echo);
  t.teardown(() => outside.close());
  t.equal((await connectThrough(entry, '10.9.200.40', 9000)).kind, 'connected');

  // A pod of another node that speaks no HBONE is asked for by its address.
  cluster.lab(
    'pod',
    'plain',
    '--namespace',
    'default',
    '--ip',
    '10.9.200.41',
    '--node',
    'node-b',
    '--labels',
    'app=plain',
  );
  const plain = await startProgram('10.9.200.41', 9000, echo);
  t.teardown(() => plain.close());
  await setTimeout(1_500);
  t.notOk(holdsPod('plain')(await ours.dumpWhen(() => true)));
  const connected = await connectThrough(entry, '10.9.200.41', 9000);
  t.equal(connected.kind, 'connected');
  t.ok(holdsPod('plain')(await ours.dumpWhen(() => true)), 'what was asked for is held');
  cluster.kubectl('label', '-n', 'default', 'pod', 'plain', 'service.istio.io/canonical-name=renamed');
  await ours.dumpWhen((dump) => dump.workloads.some(({ canonicalName }) => canonicalName === 'renamed'));
  cluster.kubectl('delete', '-n', 'default', 'pod', 'plain', '--force');
  await ours.dumpWhen(not(holdsPod('plain')));
  const gone = await connectThrough(entry, '10.9.200.41', 9000);
  t.equal(gone.kind, 'connected', 'and can be asked for again when it is gone: it is passed through');

  // A service brings its waypoint's reference; the waypoint, which has no pod that runs, is asked for in its turn.
  const service = await connectThrough(entry, '10.96.7.7', 9898);
  t.equal(service.kind, 'refused', 'nothing goes round the waypoint');
  const dump = await ours.dumpWhen(() => true);
  t.ok(holdsPod('podinfo')(dump), 'its endpoints came with it');
  t.match(JSON.stringify(dump.services), /waypoint\.sample\.svc\.cluster\.local/);
}
