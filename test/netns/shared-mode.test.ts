// ztunnel as a node runs it, as its own process: pods handed over by ZDS with their network namespaces, traffic captured
// by the redirect rules, certificates asked of a CA over gRPC, the mesh read from Kubernetes objects. Ends on SIGTERM.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tap, { type Test } from 'tap';
import { authorizeRequest } from '../../common/ca/authorize-request.ts';
import { createCaServer } from '../../common/ca/ca-server.ts';
import { createCertificateAuthority } from '../../common/identity/certificate-authority.ts';
import { formatSocketAddress } from '../../common/net/address.ts';
import { openNamespace } from '../../common/net/network-namespace-socket.ts';
import { createPodSocketFactory } from '../../common/net/pod-socket-factory-socket.ts';
import { createZdsServer } from '../../common/zds/zds-server.ts';
import { collectLog } from '../support/collected-log.ts';
import { aQuery, recordsIn } from '../support/dns-messages.ts';
import { inUserNamespace } from '../support/in-user-namespace.ts';
import { answerOf } from '../support/name-server.ts';
import { callFrom, createTwoPods, ip, type PodNetwork, serveIn } from '../support/pod-network.ts';

const ports = { admin: 15_900, metrics: 15_920, readiness: 15_921 };
const identities = ['client', 'server'].map((name) => `spiffe://cluster.local/ns/demo/sa/${name}`);

function podObject(name: string, pod: PodNetwork, enrolled: boolean): object {
  const annotations = enrolled ? { 'ambient.istio.io/redirection': 'enabled' } : {};
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'demo', labels: { app: name }, annotations },
    spec: { nodeName: 'here', serviceAccountName: name, containers: [{ name: 'app' }] },
    status: { phase: 'Running', podIPs: [{ ip: pod.v4 }], conditions: [{ type: 'Ready', status: 'True' }] },
  };
}

const serverService = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'server', namespace: 'demo' },
  spec: { clusterIP: '10.96.0.7', selector: { app: 'server' }, ports: [{ port: 80, targetPort: 8080 }] },
};

const denyAll = {
  apiVersion: 'security.istio.io/v1',
  kind: 'AuthorizationPolicy',
  metadata: { name: 'deny-all', namespace: 'demo' },
  spec: {},
};

async function get(port: number, path: string): Promise<{ readonly status: number; readonly text: string }> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}${path}`);
    return { status: response.status, text: await response.text() };
  } catch {
    return { status: 0, text: '' };
  }
}

async function until<T>(look: () => Promise<T | undefined>): Promise<T> {
  for (let attempt = 0; attempt < 800; attempt++) {
    const found = await look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error('it did not come about');
}

async function startCa(t: Test, folder: string): Promise<Record<string, string>> {
  const authority = await createCertificateAuthority({ trustDomain: 'cluster.local' });
  const node = { kind: 'node', name: 'here', identities: new Set(identities) } as const;
  const server = createCaServer({
    authority,
    authorize: (ask) => authorizeRequest(new Map([['node-token', node]]), ask),
    tls: await authority.issueServerCertificate(['127.0.0.1']),
    listen: { ip: ip('127.0.0.1'), port: 0 },
    log: collectLog().log,
  });
  await server.start();
  t.teardown(() => server.close());
  const rootFile = join(folder, 'root.pem');
  await writeFile(rootFile, authority.rootsPem);
  return {
    CA_ADDRESS: `https://${formatSocketAddress(server.address)}`,
    CA_ROOT_CA: rootFile,
    AUTH_TOKEN: 'node-token',
  };
}

function startZtunnel(
  t: Test,
  env: Record<string, string>,
): { readonly process: ChildProcess; readonly output: () => string } {
  const main = join(import.meta.dirname, '../../ztunnel/main.ts');
  // It ends with this process, however that ends.
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', process.execPath, main, 'proxy', 'ztunnel'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { PATH: process.env['PATH'], ...env },
  });
  let output = '';
  child.stdout?.on('data', (chunk) => (output += chunk));
  t.teardown(() => child.kill('SIGKILL'));
  return { process: child, output: () => output };
}

async function serveNode(t: Test, threads: string): Promise<void> {
  // Not the test's own folder, which another run of this file would share.
  const folder = await mkdtemp(join(tmpdir(), 'ambientd-test-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const [client, server] = await createTwoPods();
  execFileSync('ip', ['link', 'set', 'lo', 'up']);
  const objects = join(folder, 'objects.json');
  const write = (...items: object[]): Promise<void> =>
    writeFile(objects, JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
  await write(podObject('client', client, true), podObject('server', server, true));
  const socket = join(folder, 'zds.sock');
  const agent = createZdsServer({ path: socket, log: collectLog().log });
  await agent.start();
  const ztunnel = startZtunnel(t, {
    ZTUNNEL_WORKER_THREADS: threads,
    ...(await startCa(t, folder)),
    INPOD_UDS: socket,
    NODE_NAME: 'here',
    AMBIENTD_MANIFESTS: objects,
    AMBIENTD_ADMIN_PORT: `${ports.admin}`,
    AMBIENTD_STATS_PORT: `${ports.metrics}`,
    AMBIENTD_READINESS_PORT: `${ports.readiness}`,
    LOG_FORMAT: 'json',
  });
  t.teardown(async () => {
    await agent.close();
    for (const { namespace } of [client, server]) namespace.close();
  });
  const accessLog = (): Record<string, unknown>[] =>
    ztunnel
      .output()
      .split('\n')
      .filter((line) => line.includes('"scope":"access"'))
      .map((line) => JSON.parse(line));
  const logged = (count: number) => until(async () => (accessLog().length >= count ? accessLog() : undefined));

  await serveIn(t, server, 8080);

  await t.test('is ready once it serves every pod that the agent handed over', async (t) => {
    for (const [name, pod] of [
      ['client', client],
      ['server', server],
    ] as const) {
      const workload = { uid: `uid-of-${name}`, name, namespace: 'demo', serviceAccount: name };
      await agent.add(workload, pod.namespace.descriptor);
    }
    await until(async () => ((await get(ports.readiness, '/healthz/ready')).status === 200 ? true : undefined));
    const dump = JSON.parse((await get(ports.admin, '/config_dump')).text);
    t.match(dump.workloadState, { 'uid-of-client': { state: 'Up' }, 'uid-of-server': { state: 'Up' } });
    t.match((await get(ports.metrics, '/metrics')).text, /^workload_manager_active_proxy_count 2$/m);
  });

  await t.test('answers the DNS of a pod, and counts it', async (t) => {
    await write(podObject('client', client, true), podObject('server', server, true), serverService);
    const sockets = createPodSocketFactory({ namespace: await openNamespace(client.namespace.descriptor) });
    t.teardown(() => sockets.close());
    const to = { ip: ip('127.0.0.1'), port: 15_053 };
    const ask = async (name: string) => await answerOf(await sockets.connectDatagrams(to), aQuery(name), 8_000);
    const found = await until(async () => {
      const records = recordsIn(await ask('server.demo'));
      return records.length > 0 ? records : undefined;
    });
    t.same(found, ['server.demo 30 A 10.96.0.7']);
    for (let round = 0; round < 8; round++) t.same(recordsIn(await ask('server')), ['server 30 A 10.96.0.7']);
    const metrics = (await get(ports.metrics, '/metrics')).text;
    const labels = 'request_query_type="a",request_protocol="udp",source_canonical_service="client"';
    const [, count] = new RegExp(`^istio_dns_requests_total\\{${labels}.*\\} (\\d+)$`, 'm').exec(metrics) ?? [];
    t.ok(Number(count) >= 9, `${count} queries`);
  });

  await t.test('carries captured traffic over HBONE, and the program sees its real peer', async (t) => {
    t.equal((await callFrom(t, client, server.v4, 8080)).replace('::ffff:', ''), client.v4);
    const lines = await logged(2);
    t.same(lines.map(({ direction }) => direction).sort(), ['inbound', 'outbound']);
    for (const line of lines) {
      t.match(line, {
        level: 'info',
        'src.identity': identities[0],
        'dst.identity': identities[1],
        'dst.hbone_addr': `${server.v4}:8080`,
      });
    }
    const metrics = (await get(ports.metrics, '/stats/prometheus')).text;
    for (const reporter of ['source', 'destination']) {
      t.match(metrics, new RegExp(`^istio_tcp_connections_opened_total\\{reporter="${reporter}",.*\\} 1$`, 'm'));
    }
  });

  await t.test('lets plain traffic pass when the pod is not known as enrolled, with the real peer again', async (t) => {
    await write(podObject('client', client, true), podObject('server', server, false));
    await until(async () => {
      const dump = JSON.parse((await get(ports.admin, '/config_dump')).text);
      return dump.workloads.some((w: { name: string; protocol: string }) => w.name === 'server' && w.protocol === 'TCP')
        ? true
        : undefined;
    });
    t.equal((await callFrom(t, client, server.v4, 8080)).replace('::ffff:', ''), client.v4);
    const lines = (await logged(4)).slice(2);
    t.same(
      lines.map((line) => line['dst.addr']),
      [`${server.v4}:8080`, `${server.v4}:8080`],
    );
    t.ok(lines.every((line) => line['src.identity'] === undefined));
  });

  await t.test('enforces policy on plain traffic', async (t) => {
    await write(podObject('client', client, true), podObject('server', server, false), denyAll);
    await until(async () => {
      const dump = JSON.parse((await get(ports.admin, '/config_dump')).text);
      return dump.policies.length > 0 ? true : undefined;
    });
    t.equal(await callFrom(t, client, server.v4, 8080), 'ECONNRESET');
    const lines = (await logged(6)).slice(4);
    t.match(
      lines.find(({ direction }) => direction === 'inbound'),
      { code: 'AUTHORIZATION_DENIED', level: 'error' },
    );
  });

  await t.test('refuses a call to its own port, and does not run in a circle', async (t) => {
    const before = accessLog().length;
    t.equal(await callFrom(t, client, client.v4, 15_001), 'ECONNRESET');
    t.match((await logged(before + 1)).slice(before), [{ code: 'SELF_CALL', direction: 'outbound', level: 'warn' }]);
  });

  await t.test('stops serving a pod that is deleted', async (t) => {
    await agent.delete('uid-of-server');
    t.match((await get(ports.metrics, '/metrics')).text, /^workload_manager_proxies_stopped_total 1$/m);
    const dump = JSON.parse((await get(ports.admin, '/config_dump')).text);
    t.same(Object.keys(dump.workloadState), ['uid-of-client']);
  });

  await t.test('ends in order on SIGTERM', async (t) => {
    ztunnel.process.kill('SIGTERM');
    const [code] = await once(ztunnel.process, 'exit');
    t.equal(code, 0);
    t.match(ztunnel.output(), /shutdown complete/);
  });
}

if (await inUserNamespace(tap, import.meta.filename, ['ip', 'nft', 'setpriv'])) {
  for (const threads of ['1', '2']) {
    await tap.test(`with ${threads} threads that carry connections`, (t) => serveNode(t, threads));
  }
}
