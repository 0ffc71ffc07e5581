// A real Kubernetes (etcd, API server, controller manager, and a stand-in for kubelet) as plain processes of one test file.
// It wants a network namespace of its own: its ports are fixed. Ends with the test; in: the test, out: its commands.
import { spawn, spawnSync } from 'node:child_process';
import { createSign } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout } from 'node:timers/promises';
import type { Test } from 'tap';
import { whyNoPeers } from '../support/peers.ts';

const shared = process.env['AMBIENTD_SHARED'] ?? join(import.meta.dirname, '../../../shared');
const program = join(shared, 'lab/lab');
const issuer = 'https://kubernetes.default.svc.cluster.local';

/** The reason to skip, in words. */
export function whyNoLab(): string | undefined {
  if (!existsSync(program)) return `the Kubernetes lab is not there (${program}; AMBIENTD_SHARED names another folder)`;
  for (const needed of ['bash', 'curl', 'openssl']) {
    if (spawnSync(needed, ['--version']).error !== undefined) return `the program ${needed} is missing`;
  }
  return whyNoPeers();
}

export interface KubernetesLab {
  /** Its own; removed with it. */
  readonly folder: string;
  /** A command of the lab. @throws when it fails @returns what it printed */
  lab(...words: readonly string[]): string;
  kubectl(...words: readonly string[]): string;
  apply(...manifests: readonly string[]): void;
  /** As cluster admin; faster than kubectl. Undefined: there is no such object. */
  read(path: string): Promise<unknown>;
  /** Of a service account; bound to the pod where one is named, as it is projected into it. */
  token(namespace: string, account: string, options?: TokenOptions): Promise<string>;
  /** A token of the right issuer that ended a minute ago. */
  expiredToken(account: string, namespace: string): string;
  /** @returns the path of a kubeconfig with the rights of this service account */
  kubeconfigOf(account: string, namespace: string): Promise<string>;
  /** At once, without a word to anybody. */
  stopApiServer(): Promise<void>;
  startAgain(): void;
}

export interface TokenOptions {
  readonly pod?: string;
  /** Default istio-ca. */
  readonly audience?: string;
}

/** @param what `with-istiod`: on its usual ports, its root in the folder's `pki/istio-root.pem` */
export function startLab(t: Pick<Test, 'teardown'>, what: 'kubernetes' | 'with-istiod' = 'kubernetes'): KubernetesLab {
  const folder = mkdtempSync(join(tmpdir(), 'lab-'));
  const env = { ...process.env, LAB_DATA: folder, ...(what === 'kubernetes' && { LAB_NO_ISTIOD: '1' }) };
  const run = (words: readonly string[], input?: string): string => {
    const ended = spawnSync(program, words, { env, encoding: 'utf8', input, timeout: 120_000 });
    if (ended.status === 0) return ended.stdout.trim();
    throw new Error(`lab ${words.join(' ')} failed: ${ended.error?.message ?? ended.stderr}`);
  };
  const stop = endWithThisProcess(folder, env);
  t.teardown(stop);
  run(['up']);
  const call = apiCalls(folder);
  const token = async (namespace: string, account: string, { pod, audience = 'istio-ca' }: TokenOptions = {}) => {
    const uid = pod && ((await call('GET', `namespaces/${namespace}/pods/${pod}`)) as PodObject).metadata.uid;
    const bound = pod ? { boundObjectRef: { kind: 'Pod', apiVersion: 'v1', name: pod, uid } } : {};
    const spec = { audiences: [audience], expirationSeconds: 3600, ...bound };
    const path = `namespaces/${namespace}/serviceaccounts/${account}/token`;
    return ((await call('POST', path, { spec })) as { status: { token: string } }).status.token;
  };

  return {
    folder,
    lab: (...words) => run(words),
    kubectl: (...words) => run(['kubectl', ...words]),
    apply: (...manifests) => void run(['kubectl', 'apply', '-f', '-'], manifests.join('\n---\n')),
    read: (path) => call('GET', path),
    token,
    expiredToken: (account, namespace) => signToken(folder, account, namespace),
    async kubeconfigOf(account, namespace) {
      const path = join(folder, `${namespace}-${account}.kubeconfig`);
      const admin = readFileSync(join(folder, 'kubeconfig'), 'utf8');
      const own = await token(namespace, account, { audience: issuer });
      writeFileSync(path, admin.replace(/user: \{token: [^}]+\}/, `user: {token: ${own}}`), { mode: 0o600 });
      return path;
    },
    async stopApiServer() {
      const file = join(folder, 'run/kube-apiserver.pid');
      const pid = Number(readFileSync(file, 'utf8').split(' ')[0]);
      process.kill(pid, 'SIGKILL');
      // The lab takes it for ended when its file is gone.
      rmSync(file);
      while (runs(pid)) await setTimeout(20);
    },
    startAgain: () => void run(['up']),
  };
}

/** Also where this process is killed, as it is when a test runs out of time: then nobody else would. @returns ends it now */
function endWithThisProcess(folder: string, env: NodeJS.ProcessEnv): () => Promise<void> {
  const script = 'cat > /dev/null; "$0" down --purge; rm -rf "$1"';
  // Its input ends with this process.
  const keeper = spawn('sh', ['-c', script, program, folder], {
    env,
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  const ended = once(keeper, 'exit');
  keeper.unref();
  return async () => {
    // Nothing else may be left that keeps this process waiting.
    keeper.ref();
    keeper.stdin?.end();
    await ended;
  };
}

interface PodObject {
  readonly metadata: { readonly uid: string };
}

/** Paths are below /api/v1. */
function apiCalls(folder: string) {
  const { 1: server = '' } = /server: "([^"]+)"/.exec(readFileSync(join(folder, 'kubeconfig'), 'utf8')) ?? [];
  const [ca, token] = ['ca.crt', 'admin.token'].map((name) => readFileSync(join(folder, 'pki', name), 'utf8').trim());
  return async (method: string, path: string, body?: unknown): Promise<unknown> => {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    const sent = request(`${server}/api/v1/${path}`, { method, ca, headers });
    sent.end(body === undefined ? undefined : JSON.stringify(body));
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    const answer = await text(response);
    if (response.statusCode === 404) return undefined;
    if ((response.statusCode ?? 0) < 300) return JSON.parse(answer);
    throw new Error(`${method} ${path} answered ${response.statusCode}: ${answer}`);
  };
}

function runs(pid: number): boolean {
  try {
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

function signToken(folder: string, account: string, namespace: string): string {
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const nowSeconds = Math.floor(Date.now() / 1000);
  const claims = {
    iss: issuer,
    aud: ['istio-ca'],
    sub: `system:serviceaccount:${namespace}:${account}`,
    iat: nowSeconds - 700,
    nbf: nowSeconds - 700,
    exp: nowSeconds - 60,
    'kubernetes.io': { namespace, serviceaccount: { name: account, uid: 'any' } },
  };
  const signed = `${part({ alg: 'RS256' })}.${part(claims)}`;
  const key = readFileSync(join(folder, 'pki/sa.key'), 'utf8');
  return `${signed}.${createSign('RSA-SHA256').update(signed).sign(key, 'base64url')}`;
}
