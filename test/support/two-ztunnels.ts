// Two of our ztunnels as processes, each serving one pod of a mesh from one folder of manifests, with certificates from one CA, and each
// with a file of revocation lists of its own. In: a test, its address range. Out: the pods, and ways to revoke, ask and wait.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { renameSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { Test } from 'tap';
import { authorizeRequest, type TokenHolder } from '../../common/ca/authorize-request.ts';
import { createCaServer } from '../../common/ca/ca-server.ts';
import { type CertificateAuthority, createCertificateAuthority } from '../../common/identity/certificate-authority.ts';
import { identityOf } from '../../common/identity/identity.ts';
import { asByHand } from './ambientd-process.ts';
import { createCrlPem } from './certificate-chains.ts';
import { collectLog } from './collected-log.ts';
import { readSample, type Samples } from './explicit-mesh.ts';
import { ip } from './pod-network.ts';

const mainFile = join(import.meta.dirname, '../../ztunnel/main.ts');

export interface RevocableZtunnel {
  readonly address: string;
  /** Its pod's, newest last: leaf certificates as PEM. */
  readonly certificates: readonly string[];
  /** Of its log, so far. */
  lines(): readonly Record<string, unknown>[];
  /** Waits for so many lines that hold all of this. */
  logged(wanted: Record<string, unknown>, count?: number): Promise<readonly Record<string, unknown>[]>;
  samples(metric: string): Promise<Samples>;
  /** What this one does not accept any more; settles when it has read it. */
  revoke(certificates: readonly string[]): Promise<void>;
}

export interface TwoZtunnels {
  readonly client: RevocableZtunnel;
  readonly server: RevocableZtunnel;
}

/** Of the pod `server` its Service of that name leads from port 80 to 9898. @param range `127.1.2` */
export async function startTwoZtunnels(t: Test, range: string, serverThreads = 1): Promise<TwoZtunnels> {
  const folder = t.testdir({ manifests: { 'pods.yaml': manifests(range) }, client: {}, server: {} });
  const authority = await createCertificateAuthority({ trustDomain: 'cluster.local' });
  const issued = new Map<string, string[]>();
  const caEnv = await startCa(t, authority, folder, issued);
  const start = async (name: string, host: number, threads: number): Promise<RevocableZtunnel> => {
    const statsPort = await freePort();
    const path = join(folder, name, 'crl.pem');
    const child = startZtunnel(t, {
      ...caEnv,
      NODE_NAME: name,
      AMBIENTD_MANIFESTS: join(folder, 'manifests'),
      AMBIENTD_STATS_PORT: `${statsPort}`,
      ZTUNNEL_WORKER_THREADS: `${threads}`,
      CRL_PATH: path,
    });
    const certificates: string[] = [];
    issued.set(identityOf({ trustDomain: 'cluster.local', namespace: 'demo', serviceAccount: name }).uri, certificates);
    const ztunnel = watchZtunnel(child, { address: `${range}.${host}`, certificates, statsPort, path, authority });
    await ztunnel.logged({ message: 'pod is served' });
    await ztunnel.logged({ message: 'certificate fetched' });
    return ztunnel;
  };
  return { client: await start('client', 1, 1), server: await start('server', 2, serverThreads) };
}

function manifests(range: string): string {
  const pod = (name: string, host: number): string => `
apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: demo, labels: { app: ${name} }, annotations: { ambient.istio.io/redirection: enabled } }
spec: { nodeName: ${name}, serviceAccountName: ${name}, containers: [{ name: app }] }
status: { phase: Running, podIPs: [{ ip: ${range}.${host} }], conditions: [{ type: Ready, status: "True" }] }
`;
  const service = `
apiVersion: v1
kind: Service
metadata: { name: server, namespace: demo }
spec: { clusterIP: ${range}.100, selector: { app: server }, ports: [{ name: tcp, port: 80, targetPort: 9898 }] }
`;
  return [pod('client', 1), pod('server', 2), service].join('---');
}

async function startCa(
  t: Test,
  authority: CertificateAuthority,
  folder: string,
  issued: ReadonlyMap<string, string[]>,
): Promise<Record<string, string>> {
  const identities = ['client', 'server'].map((name) => `spiffe://cluster.local/ns/demo/sa/${name}`);
  const node: TokenHolder = { kind: 'node', name: 'both', identities: new Set(identities) };
  const tokens = new Map([['secret', node]]);
  const signCsr: CertificateAuthority['signCsr'] = async (csr, identity, validity) => {
    const chain = await authority.signCsr(csr, identity, validity);
    issued.get(identity.uri)?.push(chain[0] ?? '');
    return chain;
  };
  const server = createCaServer({
    authority: { ...authority, signCsr },
    authorize: (ask) => authorizeRequest(tokens, ask),
    tls: await authority.issueServerCertificate(['127.0.0.1']),
    listen: { ip: ip('127.0.0.1'), port: 0 },
    log: collectLog().log,
  });
  await server.start();
  t.teardown(() => server.close());
  const root = join(folder, 'root.pem');
  writeFileSync(root, authority.rootsPem);
  return { CA_ADDRESS: `https://127.0.0.1:${server.address.port}`, CA_ROOT_CA: root, AUTH_TOKEN: 'secret' };
}

function startZtunnel(t: Test, env: Record<string, string>): ChildProcess {
  const [file = '', ...args] = [...asByHand, process.execPath, mainFile];
  const fixed = { PROXY_MODE: 'explicit', LOG_FORMAT: 'json', AMBIENTD_ADMIN_PORT: '0', AMBIENTD_READINESS_PORT: '0' };
  const path = { PATH: process.env['PATH'] };
  const child = spawn(file, args, { env: { ...path, ...fixed, ...env }, stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(async () => {
    const ended = once(child, 'exit');
    if (child.exitCode !== null) return;
    child.kill('SIGKILL');
    await ended;
  });
  return child;
}

interface Watched {
  readonly address: string;
  readonly certificates: readonly string[];
  readonly statsPort: number;
  readonly path: string;
  readonly authority: CertificateAuthority;
}

function watchZtunnel(child: ChildProcess, facts: Watched): RevocableZtunnel {
  let log = '';
  child.stdout?.on('data', (chunk) => {
    log += chunk;
  });
  const lines = (): readonly Record<string, unknown>[] => {
    return log
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line));
  };
  const logged: RevocableZtunnel['logged'] = async (wanted, count = 1) => {
    for (;;) {
      const found = lines().filter((line) => Object.entries(wanted).every(([key, value]) => line[key] === value));
      if (found.length >= count) return found;
      if (child.exitCode !== null) throw new Error(`ztunnel has ended:\n${log}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  const read = { message: 'revocation lists read' };
  return {
    address: facts.address,
    certificates: facts.certificates,
    lines,
    logged,
    async samples(metric) {
      const answer = await fetch(`http://127.0.0.1:${facts.statsPort}/metrics`);
      return (await answer.text()).split('\n').flatMap((line) => readSample(line, metric));
    },
    async revoke(certificates) {
      const before = lines().filter(({ message }) => message === read.message).length;
      const text = await createCrlPem({ issuer: facts.authority.rootPem, revoked: certificates });
      writeFileSync(`${facts.path}.new`, text);
      renameSync(`${facts.path}.new`, facts.path);
      await logged(read, before + 1);
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}
