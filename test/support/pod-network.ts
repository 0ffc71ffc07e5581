// Two pods as anonymous network namespaces that are joined by a pair of interfaces, with the redirect rules in both,
// and small programs that run in them as applications. Needs `inUserNamespace(…, ['ip', 'nft'])`.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { Test } from 'tap';
import { type IpAddress, parseIp } from '../../common/net/address.ts';
import { createAnonymousNamespace, type NetworkNamespace } from '../../common/net/network-namespace-socket.ts';
import { runInNamespace, spawnInNamespace } from '../../common/net/run-in-namespace-process.ts';
import { redirectRoutes, redirectRuleset } from '../../ztunnel/capture/redirect-rules.ts';

export interface PodNetwork {
  readonly namespace: NetworkNamespace;
  readonly v4: IpAddress;
  readonly v6: IpAddress;
}

export function ip(text: string): IpAddress {
  const parsed = parseIp(text);
  if (parsed === undefined) throw new Error(`${text} is no address`);
  return parsed;
}

/** The caller closes the namespaces. */
export async function createTwoPods(): Promise<readonly [PodNetwork, PodNetwork]> {
  const a = { namespace: await createAnonymousNamespace(), v4: ip('10.77.0.1'), v6: ip('fd77::1') };
  const b = { namespace: await createAnonymousNamespace(), v4: ip('10.77.0.2'), v6: ip('fd77::2') };
  const other = `/proc/${process.pid}/fd/${b.namespace.descriptor}`;
  const veth = ['ip', 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', other] as const;
  await runInNamespace(a.namespace, veth);
  for (const { namespace, v4, v6 } of [a, b]) {
    const commands = [
      ['ip', 'link', 'set', 'lo', 'up'],
      ['ip', 'address', 'add', `${v4}/24`, 'dev', 'eth0'],
      ['ip', '-6', 'address', 'add', `${v6}/64`, 'dev', 'eth0', 'nodad'],
      ['ip', 'link', 'set', 'eth0', 'up'],
      ...redirectRoutes(),
    ];
    for (const [program = '', ...args] of commands) await runInNamespace(namespace, [program, ...args]);
    await runInNamespace(namespace, ['nft', '-f', '-'], { input: redirectRuleset() });
  }
  return [a, b];
}

/** A program of the pod, not of ztunnel: it stands in the pod's namespace and its packets are not marked. */
function application(t: Test, pod: PodNetwork, script: string): ChildProcess {
  const child = spawnInNamespace(pod.namespace, [process.execPath, '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
    // Not what the test runner asks of its own children.
    env: { ...process.env, NODE_OPTIONS: '' },
  });
  t.teardown(() => child.kill('SIGKILL'));
  return child;
}

/** Connects, sends `hello` and ends. @returns what came back, or the name of the error */
export async function callFrom(t: Test, pod: PodNetwork, to: IpAddress, port: number): Promise<string> {
  return await outputOf(
    t,
    pod,
    `const socket = require('node:net').connect(${port}, '${to}');
     socket.on('error', (error) => process.stdout.write(error.code)).end('hello');
     socket.pipe(process.stdout);`,
  );
}

/** What a program of the pod writes until it ends. */
export async function outputOf(t: Test, pod: PodNetwork, script: string): Promise<string> {
  const child = application(t, pod, script);
  let output = '';
  child.stdout?.on('data', (chunk) => (output += chunk));
  await once(child, 'close');
  return output.trim();
}

/** Answers every connection with the address of its client; listens when the promise is settled. */
export async function serveIn(t: Test, pod: PodNetwork, port: number): Promise<void> {
  const child = application(
    t,
    pod,
    `require('node:net').createServer((socket) => socket.end(socket.remoteAddress + '\\n'))
       .listen(${port}, '::', () => process.stdout.write('listening'));`,
  );
  if (child.stdout !== null) await once(child.stdout, 'data');
}
