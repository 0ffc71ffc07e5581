// The two commands that hold a mesh: `up` until they are told to end, `demo` with traffic, and with `--once` a check of its
// own metrics. Options in, exit code out.
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { findCapabilities } from './capabilities-process.ts';
import type { MeshOptions } from './command-line.ts';
import { childEnv } from './command-process.ts';
import { checkDemo } from './demo-checks.ts';
import { fetchSamples, fetchStatus } from './gate-client.ts';
import { type LaunchedMesh, launchMesh } from './launcher-process.ts';
import { type LiveView, openLiveView } from './live-view-process.ts';
import { describeMesh, type MeshStatus } from './mesh-status.ts';
import { programFile, programFolder } from './program-files.ts';
import { statusTable } from './status-table.ts';

interface RunOptions {
  readonly mesh: MeshOptions;
  readonly version: string;
  /** Ctrl-C and its kin. */
  readonly whenTold: Promise<void>;
}

const longestPodStartMs = 12_000;
const pollMs = 200;
/** How long `--once` waits for its promises to hold. */
const longestCheckMs = 12_000;

export async function runUp(options: RunOptions & { readonly paths: readonly string[] }): Promise<number> {
  const view = openLiveView();
  const mesh = await launch(options, options.paths, view);
  try {
    const told = await Promise.race([showMesh(mesh, view).then(() => 'shown' as const), options.whenTold]);
    if (told === 'shown') view.follow(mesh.gateUrl);
    return await untilEnd(mesh, options.whenTold, view);
  } finally {
    view.stop();
    await mesh.stop();
  }
}

export async function runDemo(options: RunOptions & { readonly length: 'until-stopped' | 'once' }): Promise<number> {
  const view = openLiveView();
  const example = join(programFolder, 'deploy', 'examples', 'podinfo');
  const mesh = await launch(options, [example], view);
  let traffic: ChildProcess | undefined;
  try {
    const told = await Promise.race([showMesh(mesh, view).then(() => 'shown' as const), options.whenTold]);
    if (told !== 'shown') return 0;
    traffic = startTraffic(options, example);
    if (options.length === 'once') return await Promise.race([checkOnce(mesh, view), options.whenTold.then(() => 1)]);
    view.say('driving traffic from pod podinfo/curl; Ctrl-C ends it all');
    view.follow(mesh.gateUrl);
    return await untilEnd(mesh, options.whenTold, view);
  } finally {
    view.stop();
    traffic?.kill('SIGTERM');
    await mesh.stop();
  }
}

async function launch(options: RunOptions, paths: readonly string[], view: LiveView): Promise<LaunchedMesh> {
  const capabilities = await findCapabilities(options.mesh.capture);
  return launchMesh({
    ...options,
    paths,
    capabilities,
    onReport: ({ level, text }) => view.say(level === 'warn' ? `warning: ${text}` : text),
  });
}

/** Says what there is as soon as every pod runs, or what there is by then. */
async function showMesh(mesh: LaunchedMesh, view: LiveView): Promise<void> {
  const deadline = performance.now() + longestPodStartMs;
  let status = await fetchStatus(mesh.gateUrl);
  while (isStarting(status) && performance.now() < deadline) {
    await new Promise((settle) => setTimeout(settle, pollMs));
    status = await fetchStatus(mesh.gateUrl);
  }
  for (const line of describeMesh(status)) view.say(line);
  view.say('');
}

function isStarting(status: MeshStatus): boolean {
  return status.pods.some((pod) => pod.state === 'starting');
}

/** @returns exit code */
async function untilEnd(mesh: LaunchedMesh, whenTold: Promise<void>, view: LiveView): Promise<number> {
  const ending = await Promise.race([mesh.ended, whenTold.then(() => 'told' as const)]);
  view.stop();
  if (ending === 'told') {
    view.say('ending …');
    return 0;
  }
  process.stderr.write(`ambientd: the mesh ended by itself (${ending})\n`);
  return 1;
}

/** The demo's requests come from the pod `curl`, by the same way as anybody's `ambientd exec`. */
function startTraffic(options: RunOptions, example: string): ChildProcess {
  const main = programFile('deploy/local/main');
  const script = [process.execPath, join(example, 'traffic', 'main.ts')];
  const argv = [main, 'exec', 'podinfo/curl', '--name', options.mesh.name, '--', ...script];
  return spawn(process.execPath, argv, { stdio: ['ignore', 'ignore', 'inherit'], env: childEnv() });
}

/** @returns exit code */
async function checkOnce(mesh: LaunchedMesh, view: LiveView): Promise<number> {
  const deadline = performance.now() + longestCheckMs;
  for (;;) {
    const status = await fetchStatus(mesh.gateUrl);
    const samples = await fetchSamples(status);
    const failures = checkDemo(samples, status.mode);
    if (failures.length > 0 && performance.now() < deadline) {
      await new Promise((settle) => setTimeout(settle, pollMs * 2));
      continue;
    }
    for (const line of statusTable({ samples, atMs: performance.now() }, undefined)) view.say(line);
    view.say('');
    if (failures.length === 0) view.say('all as promised: routes counted by the waypoint, TCP counted by ztunnel');
    for (const failure of failures) process.stderr.write(`ambientd: ${failure}\n`);
    return failures.length === 0 ? 0 : 1;
  }
}
