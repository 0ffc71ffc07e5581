// The namespaces of one pod (network, mounts, host name), held by a process that only waits, as Kubernetes' pause
// container does; its /etc/hosts is the mesh's. A pod in, its sandbox (process number, way in) out.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { MeshError } from '../../../common/errors.ts';
import { childEnv, runCommand } from '../command-process.ts';
import type { PodSpec } from '../materialize/pod-spec.ts';
import { linkToPod, podLinks } from './link-commands.ts';

export interface PodSandbox {
  /** Numbered as the supervisor sees it; undefined where pods share the machine's namespaces. */
  readonly pid: number | undefined;
  /** Puts a command inside: the words to stand before it. */
  readonly entry: readonly string[];
  /** Path of the network namespace, for whoever needs its descriptor. */
  readonly networkNamespace: string | undefined;
  close(): void;
}

export const sharedSandbox: PodSandbox = {
  pid: undefined,
  entry: [],
  networkNamespace: undefined,
  close: () => {},
};

/** `cat` waits for its input to end, which the supervisor's death brings about too. */
const pauseScript = `
mount --bind "$1" /etc/hosts || exit 20
[ -e /etc/resolv.conf ] && { mount --bind "$2" /etc/resolv.conf || exit 21; }
hostname "$3"
[ -e /proc/sys/net/ipv4/ip_unprivileged_port_start ] && echo 0 > /proc/sys/net/ipv4/ip_unprivileged_port_start
echo ready
exec cat
`;

export interface SandboxFiles {
  readonly hosts: string;
  readonly resolvConf: string;
}

export async function openPodSandbox(
  pod: PodSpec,
  link: string,
  nodeIp: string,
  files: SandboxFiles,
): Promise<PodSandbox> {
  const flags = pod.network === 'own' ? '-nmu' : '-mu';
  const pause = spawn(
    'unshare',
    [flags, 'sh', '-c', pauseScript, 'pause', files.hosts, files.resolvConf, pod.name.slice(0, 63)],
    {
      env: childEnv(),
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
    },
  );
  const pid = await whenReady(pause, pod);
  const entry = ['nsenter', '-t', `${pid}`, '-n', '-m', '-u', '--'];
  if (pod.network === 'own') {
    const inside = `nsenter -t ${pid} -n ip -batch -`;
    const script = [...batch('ip -batch -', linkToPod(link, pid, pod.ip)), ...batch(inside, podLinks(pod.ip, nodeIp))];
    await runCommand(['sh', '-e', '-s'], script.join('\n'));
  }
  return { pid, entry, networkNamespace: `/proc/${pid}/ns/net`, close: () => pause.kill('SIGKILL') };
}

function batch(command: string, lines: string): readonly string[] {
  return [`${command} <<'LINKS'`, `${lines}LINKS`, ''];
}

async function whenReady(pause: ChildProcess, pod: PodSpec): Promise<number> {
  const errors: Buffer[] = [];
  pause.stderr?.on('data', (chunk: Buffer) => errors.push(chunk));
  pause.stdin?.on('error', () => {});
  const said = pause.stdout === null ? Promise.resolve() : once(pause.stdout, 'data');
  const ended = new Promise<'ended'>((resolve) => {
    pause.once('error', () => resolve('ended'));
    pause.once('exit', () => resolve('ended'));
  });
  const first = await Promise.race([said, ended]);
  if (first === 'ended' || pause.pid === undefined) {
    const words = Buffer.concat(errors).toString().trim().replaceAll('\n', ' | ');
    throw new MeshError(
      'NOT_PERMITTED',
      `the namespaces of pod ${pod.key} could not be made: ${words || 'no reason given'}`,
    );
  }
  return pause.pid;
}
