// Two pods joined by a link, each behind a proxy of the same kind that the kernel redirects its traffic to: what one
// configuration of the tunnel benchmark runs in. In: how to start the proxy. Out: a way to run load, the proxies' pids.
import { type ChildProcess, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { setTimeout } from 'node:timers/promises';
import type { SocketAddress } from '../../common/net/address.ts';
import { openNamespace } from '../../common/net/network-namespace-socket.ts';
import { createPlainSocketFactory } from '../../common/net/plain-socket-factory-socket.ts';
import { createPodSocketFactory } from '../../common/net/pod-socket-factory-socket.ts';
import { type CommandLine, runInNamespace, spawnInNamespace } from '../../common/net/run-in-namespace-process.ts';
import { ztunnelMark } from '../../ztunnel/capture/redirect-rules.ts';
import { type MeshPod, mesh, serviceRange } from '../interop/two-pod-mesh.ts';
import { createTwoPods, ip, type PodNetwork } from '../support/pod-network.ts';

/** 'direct': no proxy; the load goes to the server itself. */
export type PairKind =
  | { readonly kind: 'direct' }
  | { readonly kind: 'proxied'; readonly program: (pod: MeshPod) => ProxyProgram };

export interface ProxyProgram {
  readonly command: CommandLine;
  readonly env: Readonly<Record<string, string>>;
}

export interface ProxyPair {
  /** Of the daemons, client's side first. */
  readonly pids: readonly number[];
  /** Runs the load generator in the client's pod. @returns what it wrote */
  load(args: readonly (string | number)[]): Promise<string>;
  /** The same with `paced-load-client.ts`. */
  steadyLoad(args: readonly (string | number)[]): Promise<string>;
  /** Opens connections, says one byte on each and keeps them. @returns how to close them */
  hold(connections: number): Promise<() => Promise<void>>;
  stop(): Promise<void>;
}

export interface PairSurroundings {
  readonly loadGenerator: string;
  /** Logs are written here. */
  readonly folder: string;
  /** Where the CA listens, and on which port of the pods' loopback it is to be found. */
  readonly ca: SocketAddress;
  readonly caPort: number;
}

const appPort = 8080;
const pacedClient = join(import.meta.dirname, 'paced-load-client.ts');
/** Tens of thousands of short connections must not use up ports and connection tracking. */
const tuning = `cd /proc/sys/net; echo "1024 65000" > ipv4/ip_local_port_range; echo 1 > ipv4/tcp_tw_reuse
for name in time_wait close_wait fin_wait last_ack; do echo 3 > netfilter/nf_conntrack_tcp_timeout_$name; done`;

export async function startPair(name: string, kind: PairKind, around: PairSurroundings): Promise<ProxyPair> {
  const [client, server] = await createTwoPods();
  const children: ChildProcess[] = [];
  const start = (pod: PodNetwork, label: string, { command, env }: ProxyProgram): ChildProcess => {
    const log = openSync(join(around.folder, `${name}-${label}.log`), 'w');
    const child = spawnInNamespace(pod.namespace, ['setpriv', '--pdeathsig', 'KILL', ...command], {
      cwd: around.folder,
      env: { PATH: process.env['PATH'], ...env },
      stdio: ['ignore', log, log],
    });
    children.push(child);
    return child;
  };
  for (const pod of [client, server]) {
    await runInNamespace(pod.namespace, ['ip', 'route', 'add', serviceRange, 'dev', 'eth0']);
    await runInNamespace(pod.namespace, ['sh', '-c', `(${tuning}) 2>/dev/null; true`]);
    if (kind.kind === 'direct') await runInNamespace(pod.namespace, ['nft', 'flush', 'ruleset']);
  }
  start(server, 'app', { command: [around.loadGenerator, 'server', `0.0.0.0:${appPort}`], env: {} });
  const pids: number[] = [];
  if (kind.kind === 'proxied') {
    for (const [network, pod] of [
      [server, mesh.ours],
      [client, mesh.theirs],
    ] as const) {
      await forwardToCa(network, around);
      const child = start(network, pod.namespace, kind.program(pod));
      await ready(network, child, `${name} (${pod.name})`);
      pids.unshift(child.pid ?? 0);
    }
  }
  const target = kind.kind === 'direct' ? `${server.v4}:${appPort}` : `${mesh.ours.vip}:80`;
  const inClient = (command: CommandLine) => runInNamespace(client.namespace, command, { timeoutMs: 60_000 });
  return {
    pids,
    load: ([work = '', ...args]) => inClient([around.loadGenerator, `${work}`, target, ...args.map(String)]),
    steadyLoad: (args) => inClient([process.execPath, pacedClient, target, ...args.map(String)]),
    hold: (connections) => holdConnections(client, [around.loadGenerator, 'idle', target, `${connections}`]),
    async stop() {
      for (const child of children) {
        child.kill('SIGTERM');
        if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
      }
    },
  };
}

async function holdConnections({ namespace }: PodNetwork, command: CommandLine): Promise<() => Promise<void>> {
  const child = spawnInNamespace(namespace, command, { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  if (child.stdin === null || child.stdout === null) throw new Error('the load generator has no pipes');
  const [opened] = (await once(child.stdout, 'data')) as [Buffer];
  if (!String(opened).includes('"bad":0')) throw new Error(`connections were refused: ${opened}`);
  const { stdin } = child;
  return async () => {
    stdin.end();
    await ended;
  };
}

async function forwardToCa(network: PodNetwork, { ca, caPort }: PairSurroundings): Promise<void> {
  const namespace = await openNamespace(network.namespace.descriptor);
  const asProxy = createPodSocketFactory({ namespace, mark: ztunnelMark });
  const home = createPlainSocketFactory();
  await asProxy.listenSockets({ port: caPort, host: 'loopback' }, async ({ socket }) => {
    const inner = await home.connectSocket({ to: ca });
    await Promise.allSettled([pipeline(socket, inner), pipeline(inner, socket)]);
  });
}

async function ready({ namespace }: PodNetwork, child: ChildProcess, name: string): Promise<void> {
  const sockets = createPodSocketFactory({ namespace, mark: ztunnelMark });
  for (const end = Date.now() + 20_000; Date.now() < end; await setTimeout(100)) {
    if (child.exitCode !== null) throw new Error(`the proxy of ${name} ended with ${child.exitCode}; see its log`);
    try {
      const socket = await sockets.connectSocket({ to: { ip: ip('127.0.0.1'), port: 15021 }, timeoutMs: 1_000 });
      socket.end('GET /healthz/ready HTTP/1.0\r\n\r\n');
      const [answer] = (await once(socket, 'data')) as [Buffer];
      socket.destroy();
      if (/^HTTP\/1\.[01] 200/.test(answer.toString())) return;
    } catch {
      // Not yet listening.
    }
  }
  throw new Error(`the proxy of ${name} was not ready after 20 s; see its log`);
}

/** @throws Error when there is no C compiler */
export function compileLoadGenerator(source: string, into: string): string {
  const { status, stderr, error } = spawnSync('cc', ['-O2', '-o', into, source], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${source} cannot be compiled: ${error?.message ?? stderr}`);
  return into;
}
