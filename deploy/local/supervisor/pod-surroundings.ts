// What a pod needs from the mesh around it, for either mode: namespaces, enrolment with the node proxy, its containers'
// command lines (waypoints included), its log. The mesh's parts in, PodSurroundings out.
import { join } from 'node:path';
import type { ClusterSettings } from '../materialize/materialize.ts';
import type { ContainerSpec, PodSpec } from '../materialize/pod-spec.ts';
import { programFile, programFolder } from '../program-files.ts';
import { type ContainerCommand, containerCommand } from './container-command.ts';
import { type DaemonFacts, proxyEnv, waypointEnv } from './daemon-env.ts';
import type { ImageCommands } from './image-commands.ts';
import { type LogFile, openLogFile } from './log-file-process.ts';
import type { MeshCertificates } from './mesh-certificates.ts';
import { redirectPod, releasePod } from './mesh-network-process.ts';
import type { NodeProxy } from './node-proxy.ts';
import type { HostsFiles } from './objects-file-process.ts';
import type { PodSurroundings } from './pod-process.ts';
import { openPodSandbox, sharedSandbox } from './pod-sandbox-process.ts';
import { createTurns } from './turns.ts';

export interface MeshParts {
  readonly settings: ClusterSettings;
  readonly daemons: DaemonFacts;
  readonly certificates: MeshCertificates;
  readonly nodeProxy: NodeProxy;
  readonly hosts: HostsFiles;
  readonly resolvConf: string;
  readonly logFolder: string;
  /** Path of Node. */
  readonly node: string;
  commands(): ImageCommands;
  report(level: 'info' | 'warn', text: string): void;
  changed(): void;
}

/** Pods whose namespaces are made, or whose rules are set, at the same time. */
const mostAtOnce = 4;

export function podSurroundings(parts: MeshParts): PodSurroundings {
  const { settings, daemons, nodeProxy, hosts, resolvConf } = parts;
  const captured = daemons.mode === 'captured';
  const logs = new Map<string, LogFile>();
  // Two queues, so that the first pods are enrolled before the last ones are made.
  const opening = createTurns(mostAtOnce);
  const redirecting = createTurns(mostAtOnce);
  const echoesTold = new Set<string>();
  let links = 0;
  return {
    async openSandbox(pod) {
      if (!captured) return sharedSandbox;
      links += 1;
      const link = `pod${links}`;
      const files = { hosts: hosts.pathFor(pod.namespace), resolvConf };
      return opening(() => openPodSandbox(pod, link, settings.nodeIp, files));
    },
    async enrol(pod, sandbox, ending) {
      if (captured) await redirecting(() => redirectPod(sandbox));
      await nodeProxy.add(pod, sandbox, ending);
    },
    async leave(pod, sandbox) {
      await nodeProxy.remove(pod);
      if (captured) await redirecting(() => releasePod(sandbox));
    },
    forget: (pod) => nodeProxy.remove(pod),
    commandFor(pod, container) {
      const command = commandOf(parts, pod, container);
      const key = `${pod.namespace}/${pod.workload}/${container.name}/${container.image}`;
      if (command.kind === 'echo' && !echoesTold.has(key)) parts.report('info', echoNotice(pod, container));
      if (command.kind === 'echo') echoesTold.add(key);
      return command;
    },
    logFor(pod) {
      const log = logs.get(pod.key) ?? openLogFile(join(parts.logFolder, `${pod.namespace}.${pod.name}.log`));
      logs.set(pod.key, log);
      return log;
    },
    report: parts.report,
    changed: parts.changed,
  };
}

function commandOf(parts: MeshParts, pod: PodSpec, container: ContainerSpec): ContainerCommand {
  const { daemons, node } = parts;
  if (pod.role.kind === 'waypoint') {
    return {
      kind: 'program',
      argv: [node, programFile('waypoint/main')],
      folder: programFolder,
      env: waypointEnv(daemons, pod, pod.role.gateway, parts.certificates.tokenFileFor(pod)),
    };
  }
  const echo = { argv: [node, programFile('deploy/local/echo/main')], folder: programFolder };
  const command = containerCommand(pod, container, parts.commands(), echo, daemons.nodeName);
  if (daemons.mode === 'captured') return command;
  return { ...command, env: { ...proxyEnv(pod), ...command.env, ECHO_HOST: pod.ip } };
}

function echoNotice(pod: PodSpec, container: ContainerSpec): string {
  const does =
    container.ports.length === 0
      ? 'it declares no ports and only waits'
      : `it answers on ${container.ports.join(', ')}`;
  const what = `container ${container.name} of ${pod.namespace}/${pod.workload} runs the built-in echo (${does})`;
  return `${what}: no command for image "${container.image}"; map it in ambientd.yaml or with --run`;
}
