// A mesh on this machine for one test file: manifests in a folder of its own, brought up by the command line as a child process,
// with a name and a port of its own, and gone without a trace at the end. Manifest texts in; ways to ask the mesh out.
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import { findCapabilities } from '../../deploy/local/capabilities-process.ts';
import { fetchStatus } from '../../deploy/local/gate-client.ts';
import type { MeshStatus, PodStatus } from '../../deploy/local/mesh-status.ts';
import { parsePrometheusText, type Sample } from '../../deploy/local/prometheus-text.ts';
import { type AmbientdFolder, type Ended, openAmbientdFolder, pause, type RunningMesh } from './ambientd-process.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
export const examples = join(root, 'deploy/examples');
export const exampleFolder = join(examples, 'podinfo');
/** Where the manifests lie that users publish. */
export const sharedManifests = join(process.env['AMBIENTD_SHARED'] ?? join(root, '../shared'), 'manifests');

/** The reason to skip what needs network namespaces, in words. */
export async function whyNoCapture(): Promise<string | false> {
  const { mode } = await findCapabilities('if-possible');
  return mode.kind === 'captured' ? false : `network namespaces are not available: ${mode.reason}; ${mode.remedy}`;
}

export interface LocalMesh {
  readonly name: string;
  /** Where its manifests are. */
  readonly folder: string;
  readonly around: AmbientdFolder;
  readonly running: RunningMesh;
  /** URL of the gate, with the slash at its end. */
  readonly gate: string;
  write(file: string, text: string): void;
  exec(pod: string, ...argv: readonly string[]): Promise<Ended>;
  /** By curl, as that pod; status 0 where there was no answer. */
  curl(pod: string, ...args: readonly string[]): Promise<Answer>;
  status(): Promise<MeshStatus>;
  pod(namespace: string, workload: string): Promise<PodStatus>;
  /** Text of all endpoints, or of the one named. */
  metrics(of?: 'ztunnel' | 'waypoints'): Promise<string>;
  samples(of?: 'ztunnel' | 'waypoints'): Promise<readonly Sample[]>;
  /** What ztunnel, or a pod's processes, have written. */
  log(nameBegins: string): string;
}

export interface Answer {
  readonly status: number;
  readonly body: string;
  readonly exitCode: number | null;
}

export interface LocalMeshOptions {
  /** By file name. */
  readonly files: Readonly<Record<string, string>>;
  /** Manifests elsewhere, read where they lie. */
  readonly besides?: readonly string[];
  readonly args?: readonly string[];
  readonly name: string;
}

/** Resolves when every pod that can be ready is. The mesh ends with the test. */
export async function startLocalMesh(t: Test, options: LocalMeshOptions): Promise<LocalMesh> {
  const around = openAmbientdFolder();
  const folder = join(around.path, 'manifests');
  mkdirSync(folder);
  const write = (file: string, text: string): void => writeFileSync(join(folder, file), text);
  for (const [file, text] of Object.entries(options.files)) write(file, text);
  const name = meshName(options.name);
  const gate = `http://127.0.0.1:${await freePort()}/`;
  const words = ['--name', name, '--port', new URL(gate).port, ...(options.args ?? [])];
  const running = around.start('up', ...(options.besides ?? []), folder, ...words);
  t.teardown(async () => {
    running.process.kill('SIGTERM');
    await running.ended;
    const left = (await around.isClean()) ? [] : [...around.processes(), ...around.runFolders()];
    around.remove();
    if (left.length > 0) throw new Error(`mesh ${name} has ended and left processes or files: ${left.join(', ')}`);
  });
  await running.says(/http_sd_configs/);
  return meshOf({ name, folder, around, running, gate, write });
}

function meshOf(facts: Pick<LocalMesh, 'name' | 'folder' | 'around' | 'running' | 'gate' | 'write'>): LocalMesh {
  const { name, around, gate } = facts;
  const exec = (pod: string, ...argv: readonly string[]) => around.run('exec', pod, '--name', name, '--', ...argv);
  const status = () => fetchStatus(gate);
  const metrics = async (of?: 'ztunnel' | 'waypoints') => {
    const { ztunnel, waypoints } = await status();
    const urls = [
      ...(of === 'waypoints' ? [] : [ztunnel.metricsUrl]),
      ...(of === 'ztunnel' ? [] : waypoints.map(({ metricsUrl }) => metricsUrl)),
    ];
    return (await Promise.all(urls.map(fetchText))).join('');
  };
  return {
    ...facts,
    exec,
    status,
    metrics,
    async curl(pod, ...args) {
      const { output, code } = await exec(pod, 'curl', '-s', '--max-time', '10', '-w', '\n%{http_code}', ...args);
      const end = output.lastIndexOf('\n');
      return { status: Number(output.slice(end + 1)), body: output.slice(0, end), exitCode: code };
    },
    async pod(namespace, workload) {
      const found = (await status()).pods.find((pod) => pod.namespace === namespace && pod.workload === workload);
      if (found === undefined) throw new Error(`no pod of ${namespace}/${workload}`);
      return found;
    },
    samples: async (of) => parsePrometheusText(await metrics(of)),
    log(nameBegins) {
      const logs = join(around.path, around.runFolders()[0] ?? '', 'logs');
      const files = existsSync(logs) ? readdirSync(logs).filter((file) => file.startsWith(nameBegins)) : [];
      return files.map((file) => readFileSync(join(logs, file), 'utf8')).join('');
    },
  };
}

/** Of this file and process alone, so that test files may run side by side. */
export function meshName(subject: string): string {
  return `e2e-${subject}-${process.pid}`;
}

/** Free at this moment. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  await new Promise((settle) => server.close(settle));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

export async function fetchText(url: string): Promise<string> {
  const response = await fetch(url, { signal: AbortSignal.timeout(10_000) });
  const text = await response.text();
  if (!response.ok) throw new Error(`${url}: ${response.status} ${text}`);
  return text;
}

/** Enough for a report every 15 s, and for a busy machine. */
const longestMs = 20_000;

/** Asks until the answer will do; the last answer is given, whatever it is. */
export async function eventually<T>(ask: () => Promise<T> | T, willDo: (answer: T) => boolean): Promise<T> {
  const deadline = performance.now() + longestMs;
  for (;;) {
    const answer = await ask();
    if (willDo(answer) || performance.now() > deadline) return answer;
    await pause(100);
  }
}

/** Samples of one metric that carry all these labels. */
export function samplesWith(
  samples: readonly Sample[],
  name: string,
  labels: Readonly<Record<string, string>> = {},
): readonly Sample[] {
  const wanted = Object.entries(labels);
  return samples.filter(
    (sample) => sample.name === name && wanted.every(([label, value]) => sample.labels[label] === value),
  );
}
