// What can become of a connection that a pod opens: each case a call, made from either pod to the other, and where ours
// deliberately says something else than Istio's ztunnel, the reason. Needs the objects and routes that it exports.
import { once } from 'node:events';
import { buffer } from 'node:stream/consumers';
import type { Test } from 'tap';
import type { SocketAddress } from '../../common/net/address.ts';
import { type CommandLine, runInNamespace } from '../../common/net/run-in-namespace-process.ts';
import { ip } from '../support/pod-network.ts';
import { connectFrom, exchange, podAddress, serviceAddress } from './pod-application.ts';
import type { PodSide } from './pod-side.ts';
import { appPorts, forbiddenPort, mesh } from './two-pod-mesh.ts';

export interface ConnectionCase {
  readonly name: string;
  readonly call: (t: Test, from: PodSide, to: PodSide) => Promise<unknown>;
  /** Lines of its access log that each proxy writes, at the end of a connection. Default 2: one for each pod's call. */
  readonly lines?: number;
  /** Where both say it in other words: ours must match this, theirs that. */
  readonly error?: { readonly why: string; readonly theirs: RegExp; readonly ours: RegExp };
  /** Why the outcome is not counted alike. */
  readonly flags?: string;
}

const at = (address: string, port: number): SocketAddress => ({ ip: ip(address), port });
const addresses = {
  nobody: '10.77.0.200',
  noHost: '10.77.0.99',
  plainNoHost: '10.77.0.98',
  dead: '203.0.113.10',
  /** The other pod's proxy takes it for a connection into its pod, and finds no way on. */
  silent: '203.0.113.200',
};
const silentAddresses = Object.values(addresses);
const emptyService = '10.96.77.100';
/** What comes to it in a pod is dropped. */
const silentPort = 9997;

/** The peer's second address, under which the mesh knows another workload. */
const disguiseOf = ({ pod }: PodSide): string => (pod === mesh.theirs ? '10.77.0.11' : '10.77.0.12');

/** What an application gets is not compared: the kernel makes it a reset or an end by what it has not read. */
const say = async (t: Test, from: PodSide, to: SocketAddress): Promise<unknown> =>
  exchange(t, from, to, Buffer.from('hello')).then(String, String);

/** From outside of the mesh, as it looks to the other side: nothing captures it. */
const sayInPlainText = async (t: Test, from: PodSide, to: SocketAddress, text = 'hello'): Promise<unknown> => {
  const socket = await from.asProxy.connectSocket({ to, timeoutMs: 5_000 });
  t.teardown(() => socket.destroy());
  socket.end(text);
  return buffer(socket).then(String, String);
};

export const connectionCases: readonly ConnectionCase[] = [
  { name: "the other pod's address", call: (t, from, to) => say(t, from, podAddress(to.pod, appPorts.returns)) },
  { name: "the other pod's service", call: (t, from, to) => say(t, from, serviceAddress(to.pod, appPorts.returns)) },
  {
    name: "the pod's own service",
    call: (t, from) => say(t, from, serviceAddress(from.pod, appPorts.returns)),
  },
  { name: 'a port where nobody listens', call: (t, from, to) => say(t, from, podAddress(to.pod, 9999)) },
  { name: 'a port that a policy forbids', call: (t, from, to) => say(t, from, podAddress(to.pod, forbiddenPort)) },
  { name: 'a port that the service does not have', call: (t, from, to) => say(t, from, at(to.pod.vip, 9)), lines: 1 },
  { name: 'a service without endpoints', call: (t, from) => say(t, from, at(emptyService, 80)), lines: 1 },
  { name: "a port of ztunnel's own", call: (t, from, to) => say(t, from, podAddress(to.pod, 15_001)) },
  {
    name: 'what does not answer: programs, hosts and addresses, in the mesh and outside',
    // All at once, for each takes from 3 to 10 s.
    call: (t, from, to) =>
      Promise.all([
        say(t, from, podAddress(to.pod, silentPort)),
        ...silentAddresses.map((address) => say(t, from, at(address, 80))),
      ]),
    lines: 2 + silentAddresses.length + 1,
  },
  {
    name: 'a workload that has the certificate of another',
    call: (t, from, to) => say(t, from, at(disguiseOf(to), appPorts.returns)),
    error: {
      why: 'the libraries name the alert, and what they refuse, differently',
      theirs: /tls handshake error: |invalid peer certificate: .*did not present the expected SAN .*others\/sa\/guest/,
      ours: /tls handshake error: |invalid peer certificate: .*did not present the expected SAN .*others\/sa\/guest/,
    },
  },
  {
    name: 'plain text from outside',
    call: (t, from, to) => sayInPlainText(t, from, podAddress(to.pod, appPorts.returns)),
    lines: 1,
  },
  {
    name: 'plain text from outside to a port where nobody listens',
    call: (t, from, to) => sayInPlainText(t, from, podAddress(to.pod, 9998)),
    lines: 1,
  },
  {
    name: "plain text from outside to a port of ztunnel's own",
    call: (t, from, to) => sayInPlainText(t, from, podAddress(to.pod, 15_001)),
    lines: 1,
  },
  {
    name: 'plain text where TLS is expected',
    call: (t, from, to) => sayInPlainText(t, from, podAddress(to.pod, 15_008), 'GET / HTTP/1.1\r\n\r\n'),
    lines: 1,
    error: {
      why: 'the libraries find different words for it',
      theirs: /^tls handshake error: .*InvalidContentType/,
      ours: /^tls handshake error: .*plain HTTP/,
    },
  },
  {
    name: 'a client that says nothing and ends',
    call: async (t, from, to) => {
      const socket = await connectFrom(t, from, podAddress(to.pod, appPorts.returns));
      socket.end();
      return buffer(socket).then(String, String);
    },
  },
  {
    name: 'a client that resets',
    call: async (t, from, to) => {
      const socket = await connectFrom(t, from, podAddress(to.pod, appPorts.echoes));
      socket.write('hello');
      await once(socket, 'data');
      socket.resetAndDestroy();
    },
    error: {
      why: 'ours says so by CONNECT_ERROR (RFC 9113 §8.5), which Istio takes for a failure; Istio passes it on as an end',
      theirs: /connection established in response to a CONNECT request was reset/,
      ours: /^$/,
    },
    flags: 'for the same reason',
  },
  {
    name: 'a server that resets',
    call: async (t, from, to) => {
      const socket = await connectFrom(t, from, podAddress(to.pod, appPorts.resets));
      t.teardown(() => socket.destroy());
      socket.write('hello');
      await buffer(socket).catch(() => {});
      socket.end();
    },
    error: {
      why: 'as with a client that resets',
      theirs: /connection established in response to a CONNECT request was reset/,
      ours: /^$/,
    },
    flags: 'for the same reason',
  },
];

/** Of the cluster. */
export const caseObjects: readonly string[] = [
  ...['others', 'plain'].map((namespace) => namespaceOf(namespace, namespace === 'others' ? 'ambient' : 'none')),
  podOf('others', 'no-host', addresses.noHost),
  podOf('others', 'dead', addresses.dead),
  podOf('others', 'disguise-of-theirs', '10.77.0.11'),
  podOf('others', 'disguise-of-ours', '10.77.0.12'),
  podOf('plain', 'plain-no-host', addresses.plainNoHost),
  `
apiVersion: v1
kind: Service
metadata: { name: empty, namespace: others }
spec: { selector: { app: nobody }, clusterIP: ${emptyService}, ports: [{ port: 80 }] }`,
];

/** Of each pod: its disguise, a way to addresses from where nothing comes back, and a port that is silent. */
export async function prepareNetwork(side: PodSide, other: PodSide): Promise<void> {
  const commands: readonly CommandLine[] = [
    ['ip', 'address', 'add', `${disguiseOf(side)}/24`, 'dev', 'eth0'],
    ['ip', 'route', 'add', '203.0.113.0/24', 'via', other.pod.address],
  ];
  for (const command of commands) await runInNamespace(side.network.namespace, command);
  const chain = `type filter hook input priority 0; tcp dport ${silentPort} drop;`;
  await runInNamespace(side.network.namespace, ['nft', '-f', '-'], {
    input: `table inet silence { chain input { ${chain} }; }`,
  });
}

function namespaceOf(name: string, mode: string): string {
  return `
apiVersion: v1
kind: Namespace
metadata: { name: ${name}, labels: { istio.io/dataplane-mode: ${mode} } }
---
apiVersion: v1
kind: ServiceAccount
metadata: { name: guest, namespace: ${name} }`;
}

function podOf(namespace: string, name: string, address: string): string {
  return `
apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: ${namespace}, annotations: { lab/node: node-c, lab/pod-ip: ${address} } }
spec: { nodeName: node-c, serviceAccountName: guest, containers: [{ name: app, image: app }] }`;
}
