// Our ztunnel under a real istiod: over TLS with a real token it knows the same mesh as Istio's own ztunnel, gets its
// certificates, follows changes, and outlives istiod.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { createCaClient } from '../../common/ca/ca-client.ts';
import { identityOf } from '../../common/identity/identity.ts';
import { inUserNamespace, whatIsMissing } from '../support/in-user-namespace.ts';
import { unpackPeers } from '../support/peers.ts';
import { type KubernetesLab, startLab, whyNoLab } from './kubernetes-lab.ts';
import { type ConfigDump, type NodeProxy, startNodeProxy } from './node-proxy-process.ts';

const root = join(import.meta.dirname, '../..');
const input = join(process.env['AMBIENTD_SHARED'] ?? join(root, '../shared'), 'lab/samples/input.yaml');

/** istiod binds a service to its waypoint only once the waypoint has its address. */
const isWhole = ({ policies, workloads, services }: ConfigDump): boolean =>
  workloads.length > 3 && policies.length > 1 && services.some(({ waypoint }) => waypoint !== undefined);
const hasCertificate = ({ certificates }: ConfigDump): boolean =>
  certificates.some(({ state }) => state === 'Available');
const holdsPod = (name: string) => (dump: ConfigDump) => dump.workloads.some((workload) => workload.name === name);
const holdsPolicy = (name: string) => (dump: ConfigDump) => dump.policies.some((policy) => policy.name === name);
const not = (is: (dump: ConfigDump) => boolean) => (dump: ConfigDump) => !is(dump);

const laterPolicy = `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: later, namespace: sample}
spec: {action: DENY, rules: [{to: [{operation: {ports: ["81"]}}]}]}`;

t.setTimeout(170_000);
const lack = whyNoLab() ?? whatIsMissing(['ip']) ?? (existsSync(input) ? undefined : `there is no ${input}`);
if (lack !== undefined) t.test('our ztunnel under istiod', { skip: lack }, async () => {});
else if (await inUserNamespace(t, import.meta.filename, ['ip'])) await t.test('our ztunnel under istiod', runTests);

async function runTests(t: Test): Promise<void> {
  spawnSync('ip', ['link', 'set', 'lo', 'up']);
  const cluster = startLab(t, 'with-istiod');
  cluster.lab('apply', input);
  cluster.kubectl('wait', '-n', 'sample', '--for=condition=Ready', 'pod', '--all', '--timeout=60s');
  spawnSync('ip', ['addr', 'add', '10.9.200.1/32', 'dev', 'lo']);
  const token = join(cluster.folder, 'client-token');
  writeFileSync(token, await cluster.token('sample', 'client', { pod: 'client' }));
  const env = environment(cluster, token);

  const theirs = await startNodeProxy(t, [join(unpackPeers(t, 'ztunnel'), 'ztunnel'), 'proxy', 'ztunnel'], env);
  const expected = await theirs.dumpWhen(isWhole);
  await theirs.stop();
  writeFileSync(token, `${readFileSync(token, 'utf8')}\n`);
  const ours = await startNodeProxy(t, [process.execPath, join(root, 'ztunnel/main.ts'), 'proxy', 'ztunnel'], env);
  const dump = await ours.dumpWhen((each) => isWhole(each) && hasCertificate(each));

  await t.test('its mesh is that of the real ztunnel, key by key', async (t) => {
    for (const part of ['workloads', 'services', 'policies'] as const) t.strictSame(dump[part], expected[part], part);
  });

  await t.test('its certificate for its own workload is from istiod', async (t) => {
    const states = dump.certificates.map(({ identity, state }) => [identity, state]);
    t.same(states, [['spiffe://cluster.local/ns/sample/sa/client', 'Available']]);
  });

  await t.test('istioctl reads its dump as it reads the real one', async (t) => {
    const files = [expected, dump].map((whole, index) => {
      const file = join(cluster.folder, `dump-${index}.json`);
      writeFileSync(file, JSON.stringify(whole));
      return file;
    });
    for (const part of ['workload', 'service', 'policy']) {
      const [real, own] = files.map((file) => cluster.lab('istioctl', 'ztunnel-config', part, '-f', file));
      t.equal(own, real, part);
    }
    const all = cluster.lab('istioctl', 'ztunnel-config', 'all', '-f', files[1] ?? '');
    t.match(all, /spiffe:\/\/cluster\.local\/ns\/sample\/sa\/client +Leaf +Available +true/);
  });

  await t.test('a node gets certificates for the pods that run on it, and for no others', async (t) => {
    await certificatesOfNode(cluster, t);
  });

  await t.test('pods and policies come, change and go', async () => {
    await followChanges(cluster, ours);
  });

  await t.test('it keeps the mesh while istiod is away, and notices then what went meanwhile', async (t) => {
    await outliveIstiod(cluster, ours, t);
  });
}

function environment({ folder }: KubernetesLab, token: string): Record<string, string> {
  const istiod = 'https://127.0.0.1:15012';
  const rootFile = join(folder, 'pki/istio-root.pem');
  return {
    ...{ XDS_ADDRESS: istiod, CA_ADDRESS: istiod, XDS_ROOT_CA: rootFile, CA_ROOT_CA: rootFile, AUTH_TOKEN: token },
    ...{ ALT_XDS_HOSTNAME: 'istiod.istio-system.svc', ALT_CA_HOSTNAME: 'istiod.istio-system.svc' },
    ...{ PROXY_MODE: 'dedicated', PROXY_WORKLOAD_INFO: 'sample/client/client', NODE_NAME: 'node-a' },
    ...{ POD_NAME: 'client', POD_NAMESPACE: 'sample', SERVICE_ACCOUNT: 'client', INSTANCE_IP: '10.9.200.1' },
    ...{ ENABLE_ORIG_SRC: 'false', RUST_LOG: 'info' },
  };
}

async function followChanges(cluster: KubernetesLab, ours: NodeProxy): Promise<void> {
  cluster.lab('pod', 'late', '--namespace', 'sample', '--ip', '10.9.200.77', '--node', 'node-a');
  cluster.apply(laterPolicy);
  await ours.dumpWhen(holdsPod('late'));
  await ours.dumpWhen(holdsPolicy('later'));
  cluster.kubectl('label', '-n', 'sample', 'pod', 'late', 'service.istio.io/canonical-name=renamed');
  await ours.dumpWhen((dump) => dump.workloads.some(({ canonicalName }) => canonicalName === 'renamed'));
  cluster.kubectl('delete', '-n', 'sample', 'authorizationpolicy', 'later');
  await ours.dumpWhen(not(holdsPolicy('later')));
}

async function outliveIstiod(cluster: KubernetesLab, ours: NodeProxy, t: Pick<Test, 'ok'>): Promise<void> {
  const file = join(cluster.folder, 'run/istiod.pid');
  process.kill(Number(readFileSync(file, 'utf8').split(' ')[0]), 'SIGKILL');
  rmSync(file);
  cluster.kubectl('delete', '-n', 'sample', 'authorizationpolicy', 'only-client');
  cluster.kubectl('delete', '-n', 'sample', 'pod', 'late', '--force');
  t.ok(holdsPod('late')(await ours.dumpWhen(holdsPolicy('only-client'))), 'what was known is kept');
  await setTimeout(500);
  cluster.startAgain();
  await ours.dumpWhen(not(holdsPod('late')));
  await ours.dumpWhen(not(holdsPolicy('only-client')));
}

async function certificatesOfNode(cluster: KubernetesLab, t: Pick<Test, 'equal' | 'rejects'>): Promise<void> {
  const query = ['-o', 'jsonpath={.items[?(@.spec.nodeName=="node-a")].metadata.name}'];
  const pod = cluster.kubectl('get', 'pods', '-n', 'istio-system', '-l', 'app=ztunnel', ...query);
  const ca = createCaClient({
    address: 'https://127.0.0.1:15012',
    alternativeHostname: 'istiod.istio-system.svc',
    rootCa: { kind: 'file', path: join(cluster.folder, 'pki/istio-root.pem') },
    token: { kind: 'literal', text: await cluster.token('istio-system', 'ztunnel', { pod }) },
    clusterId: 'Kubernetes',
    askAs: 'node',
  });
  const identity = (serviceAccount: string) =>
    identityOf({ trustDomain: 'cluster.local', namespace: 'sample', serviceAccount });
  t.equal((await ca.issue(identity('client'))).identity.uri, identity('client').uri);
  await t.rejects(ca.issue(identity('podinfo')), { message: /UNAUTHENTICATED: request impersonation/ });
  ca.close();
}
