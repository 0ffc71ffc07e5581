// Starts and ends a mesh from outside: opens the gate's socket, makes the run folder, starts the supervisor in namespaces
// of its own and holds its lifeline. Options in; a running mesh, what it reports, and how it ends, out.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { MeshError } from '../../common/errors.ts';
import { type Capabilities, captureNamespaces, processNamespace } from './capabilities-process.ts';
import type { MeshOptions } from './command-line.ts';
import { childEnv } from './command-process.ts';
import { programFile } from './program-files.ts';
import { createRunFolder, markOf, removeRunFolder, writeMeshRecord } from './run-folder-process.ts';
import {
  configFile,
  gateDescriptor,
  lifelineDescriptor,
  parseSupervisorEvent,
  type SupervisorConfig,
  type SupervisorEvent,
} from './supervisor/supervisor-config.ts';

export interface LaunchOptions {
  readonly mesh: MeshOptions;
  readonly paths: readonly string[];
  readonly capabilities: Capabilities;
  readonly version: string;
  /** Ctrl-C and its kin, which also ends a mesh that is only starting. */
  readonly whenTold: Promise<void>;
  onReport(report: Extract<SupervisorEvent, { readonly kind: 'report' }>): void;
}

export interface LaunchedMesh {
  readonly gateUrl: string;
  /** How the supervisor ended, asked for or not. */
  readonly ended: Promise<string>;
  /** Resolves when no process, namespace or file of the mesh is left. */
  stop(): Promise<void>;
}

const firstGatePort = 15_900;
const gatePortTries = 100;
const longestStopMs = 8_000;

/** Process 1 of the namespaces only waits for the supervisor and reaps what others leave; its end is everybody's end. */
const firstProcessScript = '"$@" & wait $!';

/** @throws MeshError CONFIG_INVALID, ADDRESS_IN_USE, IO_FAILED; what the supervisor could not do */
export async function launchMesh(options: LaunchOptions): Promise<LaunchedMesh> {
  const { mesh, capabilities, paths, version } = options;
  for (const path of paths) assertThere(path);
  const folder = createRunFolder(mesh.name);
  let gate: Server | undefined;
  try {
    gate = await openGate(mesh.port);
    const config: SupervisorConfig = {
      mesh: mesh.name,
      version,
      runFolder: folder,
      manifests: paths.map((path) => resolve(path)),
      run: mesh.run,
      workFolder: process.cwd(),
      mode: capabilities.mode.kind,
      modeReason: capabilities.mode.kind === 'explicit' ? capabilities.mode.reason : '',
      modeRemedy: capabilities.mode.kind === 'explicit' ? capabilities.mode.remedy : '',
      gateUrl: `http://127.0.0.1:${portOf(gate)}/`,
    };
    writeFileSync(join(folder, configFile), JSON.stringify(config), { mode: 0o600 });
    return await startSupervisor(config, gate, options);
  } catch (error) {
    gate?.close();
    removeRunFolder(folder);
    throw error;
  }
}

async function startSupervisor(config: SupervisorConfig, gate: Server, options: LaunchOptions): Promise<LaunchedMesh> {
  const { isolation } = options.capabilities;
  const supervisor = [
    process.execPath,
    programFile('deploy/local/supervisor/main'),
    join(config.runFolder, configFile),
  ];
  const inside = ['sh', '-c', firstProcessScript, 'sh', ...supervisor];
  const namespaces = isolation === 'namespaces' ? captureNamespaces : processNamespace;
  const [file = '', ...args] = isolation === 'none' ? supervisor : [...namespaces, ...inside];
  const stdio: ('ignore' | 'pipe' | number)[] = ['ignore', 'pipe', 'pipe'];
  stdio[gateDescriptor] = descriptorOf(gate);
  stdio[lifelineDescriptor] = 'pipe';
  const child = spawn(file, args, {
    stdio,
    env: { ...childEnv(), AMBIENTD_RUN_FOLDER: config.runFolder },
    detached: true,
  });
  const launched = new Launched(child, config.runFolder, isolation, config.gateUrl);
  try {
    const told = options.whenTold.then(() => {
      throw new MeshError('DRAINED', 'told to end before the mesh was up');
    });
    await Promise.race([launched.whenReady(options.onReport), told]);
  } catch (error) {
    await launched.stop();
    throw error;
  } finally {
    gate.close();
  }
  const first = isolation === 'none' ? child.pid : childrenOf(child.pid ?? 0)[0];
  writeMeshRecord(config.runFolder, {
    mesh: config.mesh,
    launcher: markOf(process.pid),
    first: markOf(first ?? 0),
    isolation,
    gateUrl: config.gateUrl,
  });
  return launched;
}

class Launched implements LaunchedMesh {
  readonly gateUrl: string;
  readonly ended: Promise<string>;
  readonly #child: ChildProcess;
  readonly #folder: string;
  readonly #isolation: Capabilities['isolation'];
  readonly #errors: string[] = [];

  constructor(child: ChildProcess, folder: string, isolation: Capabilities['isolation'], gateUrl: string) {
    this.#child = child;
    this.#folder = folder;
    this.#isolation = isolation;
    this.gateUrl = gateUrl;
    this.ended = new Promise((settle) => {
      child.once('error', (error) => settle(error.message));
      child.once('exit', (code, signal) => settle(signal === null ? `exit code ${code}` : `signal ${signal}`));
    });
    if (child.stderr !== null) createInterface({ input: child.stderr }).on('line', (line) => this.#errors.push(line));
    child.stdio[lifelineDescriptor]?.on('error', () => {});
  }

  /** @throws MeshError with the supervisor's reason */
  async whenReady(onReport: LaunchOptions['onReport']): Promise<void> {
    const ready = new Promise<void>((settle, fail) => {
      if (this.#child.stdout === null) return;
      createInterface({ input: this.#child.stdout }).on('line', (line) => {
        const event = parseSupervisorEvent(line);
        if (event?.kind === 'ready') settle();
        if (event?.kind === 'report') onReport(event);
        if (event?.kind === 'fatal')
          fail(new MeshError(event.cause === 'configuration' ? 'CONFIG_INVALID' : 'IO_FAILED', event.text));
      });
    });
    const ended = this.ended.then((ending) => {
      const words = this.#errors.slice(-3).join(' | ') || 'it said nothing';
      throw new MeshError('IO_FAILED', `the mesh did not start (${ending}): ${words}`);
    });
    await Promise.race([ready, ended]);
  }

  async stop(): Promise<void> {
    this.#child.stdio[lifelineDescriptor]?.destroy();
    const late = setTimeout(() => this.#child.kill('SIGKILL'), longestStopMs);
    await this.ended;
    clearTimeout(late);
    if (this.#isolation === 'none') killRemnants(this.#folder);
    removeRunFolder(this.#folder);
  }
}

function assertThere(path: string): void {
  if (statSync(path, { throwIfNoEntry: false }) !== undefined) return;
  throw new MeshError('CONFIG_INVALID', `no manifests at ${path}: it does not exist; name a file or folder`);
}

async function openGate(wanted: number | undefined): Promise<Server> {
  const first = wanted ?? firstGatePort;
  const last = wanted ?? firstGatePort + gatePortTries;
  for (let port = first; port <= last; port += 1) {
    const server = createServer();
    server.listen(port, '127.0.0.1');
    try {
      await once(server, 'listening');
      return server;
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE') continue;
      throw new MeshError(
        'NOT_PERMITTED',
        `cannot listen on 127.0.0.1:${port}: ${String(error)}; choose another --port`,
      );
    }
  }
  const range = wanted === undefined ? `ports ${first} to ${last} of 127.0.0.1 are` : `port ${wanted} of 127.0.0.1 is`;
  throw new MeshError('ADDRESS_IN_USE', `${range} in use; choose another with --port`);
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** Node has no public way to the descriptor of a listening socket, but has kept this one for years. */
function descriptorOf(server: Server): number {
  const handle: unknown = Reflect.get(server, '_handle');
  const fd: unknown = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'fd') : undefined;
  if (typeof fd === 'number') return fd;
  throw new MeshError('INTERNAL', 'the gate has no descriptor that could be handed on');
}

/** Direct children by their parent's number, as /proc tells it. */
export function childrenOf(pid: number): readonly number[] {
  return processNumbers().filter((each) => parentOf(each) === pid);
}

function parentOf(pid: number): number | undefined {
  const stat = readProc(pid, 'stat');
  return stat === '' ? undefined : Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
}

/** Without a process namespace, what a killed supervisor left behind is known by its environment. */
function killRemnants(folder: string): void {
  const mark = `AMBIENTD_RUN_FOLDER=${folder}`;
  for (const pid of processNumbers()) {
    if (pid === process.pid || !readProc(pid, 'environ').split('\0').includes(mark)) continue;
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has ended by itself.
    }
  }
}

function processNumbers(): readonly number[] {
  return readdirSync('/proc').flatMap((name) => (/^\d+$/.test(name) ? [Number(name)] : []));
}

function readProc(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return '';
  }
}
