// A proxy daemon of either kind, as a process in a pod's network namespace. In: side, command line and environment.
// Out: its log, its metrics and its configuration, read from inside the pod; it ends with the test, whatever happens.
import type { ChildProcess } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { setTimeout } from 'node:timers/promises';
import type { Test } from 'tap';
import { type CommandLine, spawnInNamespace } from '../../common/net/run-in-namespace-process.ts';
import { parsePrometheusText, type Sample } from '../../deploy/local/prometheus-text.ts';
import { ip } from '../support/pod-network.ts';
import type { PodSide } from './pod-side.ts';

export interface PodProxy {
  readonly side: PodSide;
  /** Everything written so far to standard output and standard error. */
  log(): string;
  metrics(): Promise<readonly Sample[]>;
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

export interface PodProxyOptions {
  readonly side: PodSide;
  readonly command: CommandLine;
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
}

const ports = { admin: 15000, metrics: 15020, readiness: 15021 } as const;

/** Resolves when the daemon says that it is ready. */
export async function startPodProxy(t: Test, { side, command, env, cwd }: PodProxyOptions): Promise<PodProxy> {
  // Dies with this process too, should this one be killed before it can clean up.
  const child = spawnInNamespace(side.network.namespace, ['setpriv', '--pdeathsig', 'KILL', ...command], {
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
    metrics: async () => parsePrometheusText((await get(side, ports.metrics, '/metrics')).body),
    certificates: async () => readCertificates((await get(side, ports.admin, '/config_dump')).body),
    stop: () => stop(child, closed),
  };
  t.teardown(async () => void (await proxy.stop()));
  await ready(proxy, child);
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

async function ready({ side, log }: PodProxy, child: ChildProcess): Promise<void> {
  let last = 'no answer';
  for (const end = Date.now() + 20_000; Date.now() < end; await setTimeout(100)) {
    if (child.exitCode !== null) throw new Error(`the proxy of ${side.pod.name} ended:\n${log().slice(-2_000)}`);
    try {
      const { status, body } = await get(side, ports.readiness, '/healthz/ready');
      if (status === 200) return;
      last = `${status} ${body}`;
    } catch (error) {
      last = String(error);
    }
  }
  throw new Error(`the proxy of ${side.pod.name} was not ready after 20 s (${last}):\n${log().slice(-2_000)}`);
}

async function get(side: PodSide, port: number, path: string): Promise<{ status: number | undefined; body: string }> {
  const socket = await side.asProxy.connectSocket({ to: { ip: ip('127.0.0.1'), port }, timeoutMs: 2_000 });
  try {
    const call = request({ path, headers: { host: 'localhost', connection: 'close' }, createConnection: () => socket });
    call.setTimeout(5_000, () => call.destroy(new Error(`no answer on ${path}`))).end();
    const answer: IncomingMessage = (await once(call, 'response'))[0];
    return { status: answer.statusCode, body: await text(answer) };
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
