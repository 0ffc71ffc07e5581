// Entry of the command `ambientd`: words in, exit code out (0 done, 1 failed, 64 bad usage or configuration). Errors are
// one line on standard error.
import { existsSync, readFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { MeshError } from '../../common/errors.ts';
import { type Command, type Daemon, parseCommandLine } from './command-line.ts';
import { runDerive } from './derive-process.ts';
import { runInPod } from './exec-process.ts';
import { fetchStatus } from './gate-client.ts';
import { runDemo, runUp } from './mesh-run-process.ts';
import { choosePod, describeMesh } from './mesh-status.ts';
import { programFolder } from './program-files.ts';
import { findRunningMesh, isAlive } from './run-folder-process.ts';
import { usageOf } from './usage.ts';

const longestDownMs = 15_000;

async function run(command: Command): Promise<number> {
  switch (command.kind) {
    case 'help':
      process.stdout.write(usageOf(command.topic));
      return 0;
    case 'problem':
      throw new MeshError('CONFIG_INVALID', command.message);
    case 'version':
      process.stdout.write(
        command.format === 'json' ? `${JSON.stringify({ version: version() })}\n` : `ambientd ${version()}\n`,
      );
      return 0;
    case 'status':
      return showStatus(command.mesh, command.format);
    case 'down':
      return endMesh(command.mesh);
    case 'exec': {
      const record = findRunningMesh(command.mesh);
      const choice = choosePod(await fetchStatus(record.gateUrl), command.pod.namespace, command.pod.name);
      if (choice.kind === 'none') throw new MeshError('CONFIG_INVALID', choice.message);
      return runInPod(record, choice.pod, command.argv);
    }
    case 'derive':
      return runDerive(command.paths, command.format);
    case 'daemon':
      return runDaemon(command.daemon, command.argv);
    case 'up':
      return runUp({ ...command, version: version(), whenTold: whenToldToEnd() });
    case 'demo':
      return runDemo({ ...command, version: version(), whenTold: whenToldToEnd() });
  }
}

async function showStatus(mesh: string | undefined, format: 'text' | 'json'): Promise<number> {
  const status = await fetchStatus(findRunningMesh(mesh).gateUrl);
  process.stdout.write(
    format === 'json' ? `${JSON.stringify(status, null, 2)}\n` : `${describeMesh(status).join('\n')}\n`,
  );
  return 0;
}

async function endMesh(mesh: string | undefined): Promise<number> {
  const record = findRunningMesh(mesh);
  process.kill(record.launcher.pid, 'SIGTERM');
  const deadline = performance.now() + longestDownMs;
  while (isAlive(record.launcher) || isAlive(record.first)) {
    if (performance.now() > deadline) {
      throw new MeshError(
        'IO_FAILED',
        `mesh "${record.mesh}" (process ${record.launcher.pid}) has not ended within ${longestDownMs} ms; kill it`,
      );
    }
    await new Promise((settle) => setTimeout(settle, 50));
  }
  process.stdout.write(`mesh ${record.mesh} ended\n`);
  return 0;
}

/** They are whole programs with signals of their own; whoever started us may end them too. */
async function runDaemon(daemon: Daemon, argv: readonly string[]): Promise<number> {
  void whenLifelineEnds().then(() => process.kill(process.pid, 'SIGTERM'));
  const { main } = await loadDaemon(daemon);
  return main(argv, process.env);
}

function loadDaemon(daemon: Daemon) {
  switch (daemon) {
    case 'ztunnel':
      return import('../../ztunnel/main.ts');
    case 'waypoint':
      return import('../../waypoint/main.ts');
    case 'controller':
      return import('../controller/main.ts');
  }
}

/** Ctrl-C, a signal, or the end of whoever started us. */
function whenToldToEnd(): Promise<void> {
  return new Promise((settle) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => settle());
    void whenLifelineEnds().then(settle);
  });
}

/** The pipe that ambientd.mjs holds closes when that ends, in whatever way. */
function whenLifelineEnds(): Promise<void> {
  return new Promise((settle) => {
    const fd = Number(process.env['AMBIENTD_LIFELINE_FD'] ?? '');
    if (!(fd > 2)) return;
    const lifeline = new Socket({ fd, readable: true, writable: false });
    lifeline.on('error', () => {});
    lifeline.on('close', () => settle());
    lifeline.resume();
    lifeline.unref();
  });
}

/** A build lies beside package.json, a checkout holds it. */
function version(): string {
  const path = [programFolder, dirname(programFolder)].map((folder) => join(folder, 'package.json')).find(existsSync);
  const text: unknown = path === undefined ? undefined : JSON.parse(readFileSync(path, 'utf8'));
  const found = typeof text === 'object' && text !== null && 'version' in text ? text.version : undefined;
  return typeof found === 'string' ? found : 'unknown';
}

// Whoever reads our output may have had enough of it; that ends nothing.
process.stdout.on('error', () => {});
try {
  process.exitCode = await run(parseCommandLine(process.argv.slice(2)));
} catch (error) {
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`ambientd: ${message.replaceAll('\n', ' ')}\n`);
  process.exitCode = error instanceof MeshError && ['CONFIG_INVALID', 'ADDRESS_IN_USE'].includes(error.code) ? 64 : 1;
}
