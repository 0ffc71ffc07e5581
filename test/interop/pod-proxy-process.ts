// A proxy daemon of either kind, as a process in a pod's network namespace or in one of its own. In: side, command line
// and environment. Out: its log, its metrics and its other pages, read from there; it ends with the test, whatever happens.
import type { ChildProcess } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { setTimeout } from 'node:timers/promises';
import type { Test } from 'tap';
import type { NetworkNamespace } from '../../common/net/network-namespace-socket.ts';
import { type CommandLine, spawnInNamespace } from '../../common/net/run-in-namespace-process.ts';
import type { SocketFactory } from '../../common/net/socket-factory.ts';
import { parsePrometheusText, type Sample } from '../../deploy/local/prometheus-text.ts';
import { ip } from '../support/pod-network.ts';
import type { PodSide } from './pod-side.ts';

export interface PodProxy {
  readonly side: PodSide;
  /** Everything written so far to standard output and standard error. */
  log(): string;
  metrics(): Promise<readonly Sample[]>;
  /** A page of its administration. */
  admin(path: string, method?: string): Promise<Page>;
  /** Of its config_dump: those it has and could present. */
  certificates(): Promise<readonly DumpedCertificate[]>;
  /** @returns its exit code; undefined where it had to be killed */
  stop(): Promise<number | undefined>;
}

export interface DumpedCertificate {
  readonly identity: unknown;
  /** SHA-256 fingerprints. */
  readonly roots: readonly string[];
}

export interface Page {
  readonly status: number | undefined;
  readonly contentType: string | undefined;
  readonly body: string;
}

/** Where a process stands. */
export interface ProxyHome {
  readonly namespace: NetworkNamespace;
  readonly sockets: SocketFactory;
}

export interface PodProxyOptions {
  readonly side: PodSide;
  /** Default: in the pod. */
  readonly home?: ProxyHome;
  readonly command: CommandLine;
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
}

const ports = { admin: 15000, metrics: 15020, readiness: 15021 } as const;

/** Resolves when the daemon says that it is ready. */
export async function startPodProxy(t: Test, options: PodProxyOptions): Promise<PodProxy> {
  const { side, command, env, cwd } = options;
  const { namespace, sockets } = options.home ?? { namespace: side.network.namespace, sockets: side.asProxy };
  // Dies with this process too, should this one be killed before it can clean up.
  const child = spawnInNamespace(namespace, ['setpriv', '--pdeathsig', 'KILL', ...command], {
    cwd,
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const log: string[] = [];
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => log.push(String(chunk)));
  const closed = once(child, 'close');
  const proxy: PodProxy = {
    side,
    log: () => log.join(''),
    metrics: async () => parsePrometheusText((await get(sockets, ports.metrics, '/metrics')).body),
    admin: (path, method) => get(sockets, ports.admin, path, method),
    certificates: async () => readCertificates((await proxy.admin('/config_dump')).body),
    stop: () => stop(child, closed),
  };
  t.teardown(async () => void (await proxy.stop()));
  await ready(proxy, sockets, child);
  return proxy;
}

function readCertificates(configDump: string): readonly DumpedCertificate[] {
  const { certificates } = JSON.parse(configDump) as {
    certificates: { identity: unknown; state: unknown; rootCerts: { pem: string }[] }[];
  };
  return certificates
    .filter(({ state }) => state === 'Available')
    .map(({ identity, rootCerts }) => ({
      identity,
      roots: rootCerts.map(({ pem }) => new X509Certificate(Buffer.from(pem, 'base64')).fingerprint256),
    }));
}

async function ready({ side, log }: PodProxy, sockets: SocketFactory, child: ChildProcess): Promise<void> {
  let last = 'no answer';
  for (const end = Date.now() + 30_000; Date.now() < end; await setTimeout(100)) {
    if (child.exitCode !== null) throw new Error(`the proxy of ${side.pod.name} ended:\n${log().slice(-2_000)}`);
    try {
      const { status, body } = await get(sockets, ports.readiness, '/healthz/ready');
      if (status === 200) return;
      last = `${status} ${body}`;
    } catch (error) {
      last = String(error);
    }
  }
  throw new Error(`the proxy of ${side.pod.name} was not ready after 30 s (${last}):\n${log().slice(-2_000)}`);
}

async function get(sockets: SocketFactory, port: number, path: string, method = 'GET'): Promise<Page> {
  const socket = await sockets.connectSocket({ to: { ip: ip('127.0.0.1'), port }, timeoutMs: 2_000 });
  try {
    const headers = { host: 'localhost', connection: 'close' };
    const call = request({ path, method, headers, createConnection: () => socket });
    call.setTimeout(5_000, () => call.destroy(new Error(`no answer on ${path}`))).end();
    const answer: IncomingMessage = (await once(call, 'response'))[0];
    return { status: answer.statusCode, contentType: answer.headers['content-type'], body: await text(answer) };
  } finally {
    socket.destroy();
  }
}

async function stop(child: ChildProcess, closed: Promise<unknown>): Promise<number | undefined> {
  if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
  // Its own deadline for connections that live on is 5 s.
  const late = setTimeout(8_000, undefined, { ref: false }).then(() => child.kill('SIGKILL'));
  await Promise.race([closed, late.then(() => closed)]);
  return child.exitCode ?? undefined;
}
