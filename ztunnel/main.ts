// The daemon: environment in, the node proxy running until a signal, its exit code out. 0: ended in order, 1: failed,
// 64: bad configuration or usage. The only file of ztunnel that reads the process.
import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { MeshError } from '../common/errors.ts';
import { giveBackFreeMemory } from '../common/free-memory-process.ts';
import { createLogging } from '../common/logger.ts';
import { createZtunnel } from './app.ts';
import { meshConfigPath, parseZtunnelConfig, type ZtunnelConfig } from './config.ts';
import { resolvConfPath } from './dns-config.ts';

const usage = `Usage: ambientd ztunnel [version]

Runs the node proxy. All configuration comes from the environment, as for Istio's ztunnel.
`;

/** @param argv the words after the command; `proxy ztunnel` is how the chart of Istio calls its image */
export async function main(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Promise<number> {
  const [word] = argv;
  if (word === 'version') return print(`${version()}\n`);
  if (word === 'help' || word === '--help' || word === '-h') return print(usage);
  if (word !== undefined && word !== 'proxy') return complain([`unknown argument "${word}" (see ztunnel --help)`]);
  const machine = {
    meshConfig: readIfThere(meshConfigPath),
    resolvConf: readIfThere(resolvConfPath),
    processors: availableParallelism(),
  };
  const parsed = parseZtunnelConfig(env, existsSync, machine);
  if (parsed.kind === 'problems') return complain(parsed.problems);
  return await run(parsed.config);
}

async function run(config: ZtunnelConfig): Promise<number> {
  const logging = createLogging({ format: config.logFormat, directives: config.logDirectives });
  const log = logging.logger('app');
  const asked = Promise.withResolvers<string>();
  const build = { version: version(), gitRevision: 'unknown' };
  const app = createZtunnel({ config, logging, version: build, onShutdown: () => asked.resolve('/quitquitquit') });
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => asked.resolve(signal));
  try {
    log.info({ version: build.version, mode: config.mode.kind, node: config.nodeName }, 'ztunnel starts');
    if (config.dns.serving === 'on' && config.dns.nameServers.length === 0) {
      log.warn(`${resolvConfPath} names no name server: pods find the names of the mesh, and no others`);
    }
    await Promise.race([app.start(), asked.promise]);
    giveBackFreeMemory();
    const reason = await asked.promise;
    // Whoever asks twice does not want to wait.
    process.on('SIGINT', () => process.exit(0));
    log.info({ reason, deadline: `${config.drainDeadlineMs}ms` }, 'shutdown began');
    await app.drain(config.drainDeadlineMs);
    log.info('shutdown complete');
    return 0;
  } catch (error) {
    const code = error instanceof MeshError ? error.code : 'INTERNAL';
    log.error({ code, error: error instanceof Error ? error.message : String(error) }, 'ztunnel failed');
    await app.close();
    return code === 'CONFIG_INVALID' ? 64 : 1;
  }
}

function readIfThere(path: string): string | undefined {
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined;
}

function print(text: string): number {
  process.stdout.write(text);
  return 0;
}

function complain(problems: readonly string[]): number {
  for (const problem of problems) process.stderr.write(`ztunnel: ${problem}\n`);
  return 64;
}

/** The built program lies one folder deeper than its sources. */
function version(): string {
  const file = ['..', join('..', '..')]
    .map((folder) => join(import.meta.dirname, folder, 'package.json'))
    .find((path) => existsSync(path));
  const found: unknown = file === undefined ? undefined : JSON.parse(readFileSync(file, 'utf8'));
  const text = typeof found === 'object' && found !== null && 'version' in found ? found.version : undefined;
  return typeof text === 'string' ? text : 'unknown';
}

if (import.meta.main) {
  // Not `process.exit`: its last flush of the log waits for ever where nobody reads the log any more.
  process.exitCode = await main(process.argv.slice(2), process.env);
  // Fires only if something is still open.
  setTimeout(() => process.exit(), 1_000).unref();
}
