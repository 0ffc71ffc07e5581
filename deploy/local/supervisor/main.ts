// Entry of the supervisor, the process inside the mesh's namespaces: configuration file in; events for the launcher out
// on standard output. When the lifeline closes, because the launcher has ended in whatever way, everything ends here.
import { readFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { MeshError } from '../../../common/errors.ts';
import { createLogger } from '../../../common/logger.ts';
import { removeRunFolder } from '../run-folder-process.ts';
import { Supervisor } from './app.ts';
import { lifelineDescriptor, parseSupervisorConfig, type SupervisorEvent } from './supervisor-config.ts';

/** Beyond this the namespaces are simply dropped. */
const longestEndMs = 6_000;

function send(event: SupervisorEvent): void {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}

function tellFatal(error: unknown): void {
  const text = (error instanceof Error ? error.message : String(error)).replaceAll('\n', ' ');
  const configuration = error instanceof MeshError && error.code === 'CONFIG_INVALID';
  send({ kind: 'fatal', cause: configuration ? 'configuration' : 'failure', text });
}

const config = parseSupervisorConfig(readFileSync(process.argv[2] ?? '', 'utf8'));
if (config === undefined) throw new MeshError('CONFIG_INVALID', 'started without its configuration; use "ambientd up"');

const supervisor = new Supervisor({
  config,
  node: process.execPath,
  log: createLogger({ format: 'plain', level: 'off', scope: 'supervisor' }),
  tell: (level, text) => send({ kind: 'report', level, text: text.replaceAll('\n', ' ') }),
});

let life: 'running' | 'ending' = 'running';
async function end(): Promise<void> {
  if (life === 'ending') return;
  life = 'ending';
  setTimeout(() => {
    removeRunFolder(config?.runFolder ?? '');
    process.exit(1);
  }, longestEndMs);
  await supervisor.close().catch(() => {});
  removeRunFolder(config?.runFolder ?? '');
  process.exit(0);
}

process.stdout.on('error', () => {});
process.on('SIGINT', () => {});
process.on('SIGTERM', () => void end());
process.on('uncaughtException', (error) => {
  tellFatal(error);
  void end();
});
const lifeline = new Socket({ fd: lifelineDescriptor, readable: true, writable: false });
lifeline.on('close', () => void end());
lifeline.on('error', () => {});
lifeline.resume();

try {
  await supervisor.start();
  send({ kind: 'ready' });
} catch (error) {
  tellFatal(error);
  void end();
}
