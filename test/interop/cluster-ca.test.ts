// The mesh's own CA in a real Kubernetes without istiod: two controllers with least rights, callers with real projected
// tokens, Istio's ztunnel and ours with certificates from it, outage of the API server, rotation of the root.
import { spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { connect } from 'node:tls';
import t, { type Test } from 'tap';
import { createCaClient } from '../../common/ca/ca-client.ts';
import { splitCertificates } from '../../common/identity/certificate-facts.ts';
import { identityOf } from '../../common/identity/identity.ts';
import { inUserNamespace, whatIsMissing } from '../support/in-user-namespace.ts';
import { unpackPeers } from '../support/peers.ts';
import { type KeptProgram, startProgram } from './kept-program-process.ts';
import { type KubernetesLab, startLab, type TokenOptions, whyNoLab } from './kubernetes-lab.ts';

const root = join(import.meta.dirname, '../..');
const rbac = join(root, 'deploy/cluster/controller-rbac.yaml');
const caName = 'istiod.istio-system.svc';
const idOf = (namespace: string, serviceAccount: string) =>
  identityOf({ trustDomain: 'cluster.local', namespace, serviceAccount });
const web = idOf('shop', 'web');
const db = idOf('shop', 'db');

t.setTimeout(170_000);
const lack = whyNoLab() ?? whatIsMissing(['ip', 'setpriv']);
if (lack !== undefined) t.test('the CA of a cluster', { skip: lack }, async () => {});
else if (await inUserNamespace(t, import.meta.filename, ['ip'])) {
  spawnSync('ip', ['link', 'set', 'lo', 'up']);
  await runTests();
}

async function runTests(): Promise<void> {
  const cluster = startLab(t);
  cluster.kubectl('create', 'namespace', 'istio-system');
  cluster.kubectl('apply', '-f', rbac);
  for (const node of ['a', 'b']) {
    cluster.lab('pod', `zt-${node}`, '--namespace', 'istio-system', '--sa', 'ztunnel', '--node', `node-${node}`);
  }
  cluster.lab('pod', 'web', '--namespace', 'shop', '--sa', 'web', '--node', 'node-a', '--ip', '127.10.0.1');
  cluster.lab('pod', 'api', '--namespace', 'shop', '--sa', 'api', '--node', 'node-a', '--ip', '127.10.0.2');
  cluster.lab('pod', 'db', '--namespace', 'shop', '--sa', 'db', '--node', 'node-b');
  const kubeconfig = await cluster.kubeconfigOf('ambientd-controller', 'istio-system');
  const start = (at: number, env: Readonly<Record<string, string>> = {}) => startController(t, at, kubeconfig, env);
  const controllers = [start(1), start(2)];

  await t.test('two controllers that start at once', async (t) => {
    await Promise.all(controllers.map((controller) => controller.says(/CA listening/)));
    const created = controllers.flatMap((controller) => controller.log().match(/step="create"/g) ?? []);
    t.equal(created.length, 1, 'make one root');
    const key = await decoded(cluster, 'tls.key');
    t.match(key, /^-----BEGIN PRIVATE KEY-----/);
    for (const controller of controllers) {
      t.notMatch(controller.log(), /PRIVATE KEY/);
      t.notOk(controller.log().includes(key.split('\n')[1] ?? '?'), 'of which nothing is logged');
    }
    for (const namespace of ['default', 'istio-system', 'kube-system', 'shop']) {
      t.equal(
        await bundleOf(cluster, namespace),
        await decoded(cluster, 'tls.crt'),
        `${namespace} has its certificate`,
      );
    }
    t.equal(await httpStatus(16_021), 200, 'are ready');
    t.match(
      cluster.kubectl('-n', 'shop', 'get', 'cm', 'istio-ca-root-cert', '-o', 'jsonpath={.metadata.labels}'),
      /istio/,
    );
  });

  await t.test('the trust bundle', async (t) => {
    const bundle = await bundleOf(cluster, 'default');
    cluster.kubectl('create', 'namespace', 'fresh');
    t.ok(await becomes(async () => (await bundleOf(cluster, 'fresh')) === bundle), 'comes to a new namespace');
    cluster.kubectl('-n', 'shop', 'delete', 'configmap', 'istio-ca-root-cert');
    t.ok(await becomes(async () => (await bundleOf(cluster, 'shop')) === bundle), 'comes again where it was deleted');
    const junk = '{"data":{"root-cert.pem":"junk","mine":"stays"}}';
    cluster.kubectl('-n', 'shop', 'patch', 'configmap', 'istio-ca-root-cert', '--type', 'merge', '-p', junk);
    t.ok(await becomes(async () => (await bundleOf(cluster, 'shop')) === bundle), 'is repaired where it was damaged');
  });

  await t.test('a certificate is given to', async (t) => {
    const nodeToken = await cluster.token('istio-system', 'ztunnel', { pod: 'zt-a' });
    for (const at of [1, 2]) {
      const ask = await caller(t, cluster, at);
      const issued = await ask('node', nodeToken).issue(web);
      t.equal(new X509Certificate(issued.chainPem).subjectAltName, `URI:${web.uri}`, `a node's proxy, by ${at}`);
      t.equal(issued.rootsPem, await bundleOf(cluster, 'default'), 'with the bundle');
    }
    const ask = await caller(t, cluster, 1);
    t.ok(await ask('workload', await cluster.token('shop', 'web', { pod: 'web' })).issue(web), 'a workload for itself');
    t.ok(await ask('workload', await cluster.token('shop', 'web')).issue(web), 'with or without a pod');
    cluster.lab('pod', 'late', '--namespace', 'shop', '--sa', 'late', '--node', 'node-a');
    t.ok(await ask('node', nodeToken).issue(idOf('shop', 'late')), "a node's proxy, for a pod that has just come");
  });

  await t.test('a certificate is refused, with the reason, to', async (t) => {
    const ask = await caller(t, cluster, 1);
    const zt = (options?: TokenOptions) => cluster.token('istio-system', 'ztunnel', options);
    const refusals = [
      ['node', await zt({ pod: 'zt-a', audience: 'vault' }), web, /UNAUTHENTICATED: .*audience istio-ca: .*"vault"/],
      ['node', cluster.expiredToken('ztunnel', 'istio-system'), web, /UNAUTHENTICATED: .*has expired/],
      ['node', 'made.up.token', web, /UNAUTHENTICATED: .*invalid bearer token/],
      ['node', await zt({ pod: 'zt-a' }), db, /PERMISSION_DENIED: no pod of node node-a runs as spiffe:.*shop\/sa\/db/],
      [
        'node',
        await zt({ pod: 'zt-b' }),
        web,
        /PERMISSION_DENIED: no pod of node node-b runs as spiffe:.*shop\/sa\/web/,
      ],
      ['node', await zt(), web, /PERMISSION_DENIED: the token of istio-system\/ztunnel is bound to no pod/],
      [
        'node',
        await cluster.token('shop', 'db', { pod: 'db' }),
        web,
        /PERMISSION_DENIED: shop\/db .* no trusted node account/,
      ],
      [
        'workload',
        await cluster.token('shop', 'db', { pod: 'db' }),
        web,
        /PERMISSION_DENIED: .*sa\/db is good for that/,
      ],
    ] as const;
    for (const [as, token, identity, message] of refusals) {
      await t.rejects(ask(as, token).issue(identity), { code: 'IDENTITY_UNAVAILABLE', message });
    }
    const gone = await zt({ pod: 'zt-b' });
    cluster.kubectl('-n', 'istio-system', 'delete', 'pod', 'zt-b', '--grace-period=0', '--force');
    await t.rejects(ask('node', gone).issue(db), { message: /UNAUTHENTICATED: / }, 'the token of a deleted pod');
    t.match(controllers[0]?.log(), /certificate refused\t.*status="PERMISSION_DENIED" reason="no pod of node node-a/);
    t.match(await metrics(), /ambientd_ca_answers_total\{status="PERMISSION_DENIED"\} [1-9]/, 'and counted');
  });

  await t.test("Istio's ztunnel", async (t) => {
    const bin = unpackPeers(t, 'ztunnel');
    const files = await ztunnelFiles(t, cluster, 'zt-a', 'ztunnel', 'istio-system');
    await t.test('in shared mode gets what runs on its node, and nothing else', async (t) => {
      const env = { ...files.env, PROXY_MODE: 'shared', INPOD_UDS: join(files.folder, 'zds.sock') };
      startProgram(t, [join(bin, 'ztunnel')], env, files.folder);
      t.ok(await becomes(async () => (await dumped(web.uri)) === 'Available'), 'the pod of its node has a certificate');
      t.ok(await becomes(async () => /Unavailable/.test((await dumped(db.uri)) ?? '')), 'the pod of another has none');
    });
    await t.test('in dedicated mode gets its own', async (t) => {
      const own = await ztunnelFiles(t, cluster, 'web', 'web', 'shop');
      const env = { ...own.env, PROXY_MODE: 'dedicated', PROXY_WORKLOAD_INFO: 'shop/web/web' };
      startProgram(t, [join(bin, 'ztunnel')], env, own.folder);
      t.ok(await becomes(async () => (await httpStatus(15_021)) === 200), 'it is ready');
      const ask = await caller(t, cluster, 2);
      const peer = idOf('shop', 'api');
      const api = await ask('workload', await cluster.token('shop', 'api', { pod: 'api' })).issue(peer);
      const socket = connect({
        host: '127.0.0.1',
        port: 15_008,
        ALPNProtocols: ['h2'],
        ca: api.rootsPem,
        cert: api.chainPem,
        key: api.privateKeyPem,
        checkServerIdentity: () => undefined,
      });
      await once(socket, 'secureConnect');
      t.equal(socket.getPeerCertificate().subjectaltname, `URI:${web.uri}`, 'and shows it to a peer of the same CA');
      socket.destroy();
    });
  });

  await t.test('our ztunnel carries a connection between two pods of its node', async (t) => {
    const files = await ztunnelFiles(t, cluster, 'zt-a', 'ztunnel', 'istio-system');
    const objects = join(files.folder, 'objects.json');
    writeFileSync(objects, meshObjects(cluster));
    const env = { ...files.env, PROXY_MODE: 'explicit', AMBIENTD_MANIFESTS: objects, LOCAL_XDS_PATH: '' };
    const ztunnel = startProgram(t, [process.execPath, join(root, 'ztunnel/main.ts')], env, files.folder);
    const app = createServer((_request, response) => response.end('hello from api')).listen(8080, '127.10.0.2');
    await once(app, 'listening');
    t.teardown(() => app.close());
    await ztunnel.says(/readiness server[\s\S]*/);
    t.ok(await becomes(async () => (await httpStatus(15_021)) === 200));
    const curl = startProgram(
      t,
      ['curl', '-sS', '--max-time', '20', '--proxy', 'socks5://127.10.0.1:15080', 'http://127.10.0.2:8080/'],
      {},
      files.folder,
    );
    t.ok(await becomes(() => curl.log() === 'hello from api'), curl.log());
    t.match(ztunnel.log(), new RegExp(`dst.identity="?${idOf('shop', 'api').uri}`), 'by mutual TLS');
  });

  await t.test('while the API server is stopped', async (t) => {
    const api = idOf('shop', 'api');
    const ask = await caller(t, cluster, 1);
    const known = ask('workload', await cluster.token('shop', 'web'));
    const unknown = ask('workload', await cluster.token('shop', 'api'));
    await known.issue(web);
    await cluster.stopApiServer();
    t.ok(await known.issue(web), 'those it has just known are served');
    await t.rejects(unknown.issue(api), {
      message:
        /UNAVAILABLE: cannot tell who asks: cannot review a token at https:.*ECONN(REFUSED|RESET).*check the API server/,
    });
    t.equal(await httpStatus(16_021), 200, 'it stays ready');
    cluster.startAgain();
    t.ok(await unknown.issue(api), 'all are served when it is back');
    cluster.kubectl('create', 'namespace', 'later');
    t.ok(await becomes(async () => (await bundleOf(cluster, 'later')) !== ''), 'and the bundle is kept again');
  });

  await t.test('a controller ends in order', async (t) => {
    for (const controller of controllers) t.equal(await controller.stop(), 0);
  });

  await t.test('the root', async (t) => {
    const quick = { MAX_WORKLOAD_CERT_TTL: '3s', AMBIENTD_CA_SPREAD: '4s', AMBIENTD_SYNC_INTERVAL: '1s' };
    await t.test('is followed by another on demand', async (t) => {
      const [one, two] = [start(1, quick), start(2, quick)];
      await Promise.all([one.says(/CA listening/), two.says(/CA listening/)]);
      const first = await bundleOf(cluster, 'default');
      const asked = ['-n', 'istio-system', 'annotate', 'secret', 'ambientd-ca', 'ambientd/rotate-root=now'];
      cluster.kubectl(...asked);
      t.ok(await becomes(async () => (await roots(cluster)).length === 2), 'both are in the bundle');
      await watchRotation(t, cluster, first);
      const log = one.log() + two.log();
      t.equal(log.match(/step="add-next" why="asked"/g)?.length, 1, 'two controllers make one new root');
      t.notMatch(await decoded(cluster, 'tls.crt'), first, 'the new one signs');
      t.equal(
        (await decoded(cluster, 'previous.crt')) + (await decoded(cluster, 'next.key')),
        '',
        'nothing else is left of the old one',
      );
      for (const controller of [one, two]) await controller.stop();
    });
    await t.test('is followed by another before it ends', async (t) => {
      cluster.kubectl('-n', 'istio-system', 'delete', 'secret', 'ambientd-ca');
      const short = {
        ...quick,
        CITADEL_SELF_SIGNED_CA_CERT_TTL: '30s',
        CITADEL_SELF_SIGNED_ROOT_CERT_GRACE_PERIOD_PERCENTILE: '50',
      };
      const controller = start(1, short);
      await controller.says(/CA listening/);
      await controller.says(/step="add-next" why="ends-soon"/);
      t.ok(await becomes(async () => (await roots(cluster)).length === 2), 'both are in the bundle');
    });
  });
}

/** Until the old root is gone: every certificate that lives is believed by every holder of one that lives. */
async function watchRotation(t: Test, cluster: KubernetesLab, first: string): Promise<void> {
  const token = await cluster.token('shop', 'web');
  const ask = (await caller(t, cluster, 1))('workload', token);
  const other = (await caller(t, cluster, 2))('workload', token);
  const issued: { readonly chainPem: string; readonly rootsPem: string; readonly notAfterMs: number }[] = [];
  let disbelieved = 0;
  for (const end = Date.now() + 40_000; Date.now() < end && (await bundleOf(cluster, 'default')).includes(first); ) {
    issued.push(await ask.issue(web), await other.issue(web));
    const alive = issued.filter(({ notAfterMs }) => notAfterMs > Date.now());
    for (const one of alive) {
      for (const { rootsPem } of alive) {
        if (!splitCertificates(rootsPem).some((pem) => signedBy(one.chainPem, pem))) disbelieved += 1;
      }
    }
    await setTimeout(500);
  }
  t.equal(disbelieved, 0, 'every living certificate is believed by every other');
  t.ok(signedBy(issued.at(0)?.chainPem ?? '', first), 'the first root signed at the beginning');
  t.notOk(signedBy(issued.at(-1)?.chainPem ?? '', first), 'and no longer at the end');
  t.same((await roots(cluster)).length, 1, 'the first root has left the bundle');
}

function signedBy(leafPem: string, rootPem: string): boolean {
  return new X509Certificate(leafPem).verify(new X509Certificate(rootPem).publicKey);
}

function startController(t: Test, at: number, kubeconfig: string, env: Readonly<Record<string, string>>): KeptProgram {
  const ports = {
    AMBIENTD_CA_LISTEN: `127.0.0.1:${16_012 + 100 * (at - 1)}`,
    AMBIENTD_STATS_PORT: String(16_020 + 100 * (at - 1)),
    AMBIENTD_READINESS_PORT: String(16_021 + 100 * (at - 1)),
  };
  const command = [process.execPath, join(root, 'deploy/local/main.ts'), 'controller'];
  return startProgram(t, command, { KUBECONFIG: kubeconfig, ...ports, ...env }, root);
}

async function caller(t: Test, cluster: KubernetesLab, at: number) {
  const text = await bundleOf(cluster, 'default');
  return (askAs: 'node' | 'workload', token: string) => {
    const client = createCaClient({
      address: `https://127.0.0.1:${16_012 + 100 * (at - 1)}`,
      rootCa: { kind: 'literal', text },
      alternativeHostname: caName,
      token: { kind: 'literal', text: token },
      clusterId: 'Kubernetes',
      askAs,
    });
    t.teardown(() => client.close());
    return client;
  };
}

/** What a ztunnel pod has mounted and set: token, root, and the mesh as a file. */
async function ztunnelFiles(t: Test, cluster: KubernetesLab, pod: string, account: string, namespace: string) {
  const folder = t.testdir({
    token: await cluster.token(namespace, account, { pod }),
    'root.pem': await bundleOf(cluster, 'default'),
    'mesh.yaml': `workloads:${istioWorkload('web', '127.10.0.1', 'node-a')}${istioWorkload('db', '127.10.0.3', 'node-a')}\n`,
  });
  const env = {
    CA_ADDRESS: 'https://127.0.0.1:16012',
    CA_ROOT_CA: join(folder, 'root.pem'),
    ALT_CA_HOSTNAME: caName,
    AUTH_TOKEN: join(folder, 'token'),
    NODE_NAME: 'node-a',
    XDS_ADDRESS: '',
    LOCAL_XDS_PATH: join(folder, 'mesh.yaml'),
    ISTIO_META_DNS_CAPTURE: 'false',
    ZTUNNEL_WORKER_THREADS: '1',
    RUST_LOG: 'info',
  };
  return { folder, env };
}

/** It believes that `db` is on its node; the cluster knows better. */
function istioWorkload(name: string, address: string, node: string): string {
  return `
- uid: Kubernetes//Pod/shop/${name}
  name: ${name}
  namespace: shop
  trustDomain: cluster.local
  serviceAccount: ${name}
  workloadIps: [${address}]
  protocol: HBONE
  node: ${node}
  clusterId: Kubernetes
  workloadName: ${name}
  workloadType: pod
  canonicalName: ${name}
  canonicalRevision: latest
  services: {}`;
}

/** As the API server has them, enrolled. */
function meshObjects(cluster: KubernetesLab): string {
  const pods = JSON.parse(cluster.kubectl('-n', 'shop', 'get', 'pods', 'web', 'api', '-o', 'json')) as {
    items: { metadata: { annotations: Record<string, string> } }[];
  };
  for (const { metadata } of pods.items) metadata.annotations['ambient.istio.io/redirection'] = 'enabled';
  const labels = { 'istio.io/dataplane-mode': 'ambient' };
  const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop', labels } };
  return JSON.stringify({ ...pods, items: [namespace, ...pods.items] });
}

async function bundleOf(cluster: KubernetesLab, namespace: string): Promise<string> {
  const found = await cluster.read(`namespaces/${namespace}/configmaps/istio-ca-root-cert`);
  return (found as { data: Record<string, string> } | undefined)?.data['root-cert.pem'] ?? '';
}

async function roots(cluster: KubernetesLab): Promise<readonly string[]> {
  return splitCertificates(await bundleOf(cluster, 'default'));
}

async function decoded(cluster: KubernetesLab, key: string): Promise<string> {
  const found = await cluster.read('namespaces/istio-system/secrets/ambientd-ca');
  return Buffer.from((found as { data: Record<string, string> }).data[key] ?? '', 'base64').toString();
}

/** The state of an identity in the config_dump of the ztunnel that runs. */
async function dumped(uri: string): Promise<string | undefined> {
  const dump = (await (await fetch('http://127.0.0.1:15000/config_dump')).json()) as {
    certificates: { identity: string; state: string }[];
  };
  return dump.certificates.find(({ identity }) => identity === uri)?.state;
}

async function metrics(): Promise<string> {
  return (await fetch('http://127.0.0.1:16020/metrics')).text();
}

async function httpStatus(port: number): Promise<number> {
  return (await fetch(`http://127.0.0.1:${port}/healthz/ready`)).status;
}

/** Within 30 s; what fails is not so yet. */
async function becomes(isSo: () => boolean | Promise<boolean>): Promise<boolean> {
  for (const end = Date.now() + 30_000; Date.now() < end; await setTimeout(200)) {
    if (
      await Promise.resolve()
        .then(isSo)
        .catch(() => false)
    )
      return true;
  }
  return false;
}
