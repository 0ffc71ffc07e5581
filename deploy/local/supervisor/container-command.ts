// The command line and environment of one container, with Kubernetes' `$(NAME)` filled in. A pod's container and what is
// mapped for its image in; what to spawn, and whether it is the user's program or the built-in echo, out.
import type { ContainerSpec, PodSpec } from '../materialize/pod-spec.ts';
import { commandFor, type ImageCommands } from './image-commands.ts';

export interface ContainerCommand {
  readonly kind: 'program' | 'echo';
  readonly argv: readonly string[];
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
}

export interface EchoProgram {
  /** Node and the echo server's file. */
  readonly argv: readonly string[];
  readonly folder: string;
}

export function containerCommand(
  pod: PodSpec,
  container: ContainerSpec,
  commands: ImageCommands,
  echo: EchoProgram,
  nodeName: string,
): ContainerCommand {
  const env = containerEnv(pod, container, commands.env, nodeName);
  const found = commandFor(container.image, commands);
  if (found === undefined) return { kind: 'echo', argv: echo.argv, folder: echo.folder, env };
  return { kind: 'program', argv: found.argv.map((word) => fillIn(word, env)), folder: found.folder, env };
}

/** What every process of a pod finds in its environment, `ambientd exec` included. */
export function podEnv(pod: PodSpec, nodeName: string): Record<string, string> {
  return {
    POD_NAME: pod.name,
    POD_NAMESPACE: pod.namespace,
    POD_IP: pod.ip,
    NODE_NAME: nodeName,
    SERVICE_ACCOUNT: pod.serviceAccount,
    HOSTNAME: pod.name,
  };
}

function containerEnv(
  pod: PodSpec,
  container: ContainerSpec,
  shared: Readonly<Record<string, string>>,
  nodeName: string,
): Readonly<Record<string, string>> {
  const env: Record<string, string> = {
    ...podEnv(pod, nodeName),
    PORT: `${container.ports[0] ?? ''}`,
    PORTS: container.ports.join(','),
  };
  for (const entry of container.env) {
    if (entry.kind === 'value') env[entry.name] = fillIn(entry.value, env);
    else {
      const value = fieldValue(entry.path, pod, nodeName);
      if (value !== undefined) env[entry.name] = value;
    }
  }
  for (const [name, value] of Object.entries(shared)) env[name] = fillIn(value, env);
  return env;
}

function fieldValue(path: string, pod: PodSpec, nodeName: string): string | undefined {
  const values: Record<string, string> = {
    'metadata.name': pod.name,
    'metadata.namespace': pod.namespace,
    'metadata.uid': pod.uid,
    'status.podIP': pod.ip,
    'spec.nodeName': nodeName,
    'spec.serviceAccountName': pod.serviceAccount,
  };
  return values[path];
}

/** A name that is not known stays as it is written; `$$(NAME)` is `$(NAME)`. */
function fillIn(text: string, env: Readonly<Record<string, string>>): string {
  return text.replace(/\$(\$)?\(([A-Za-z_][\w.-]*)\)/g, (whole, escaped: string | undefined, name: string) =>
    escaped === undefined ? (env[name] ?? whole) : whole.slice(1),
  );
}
