// The command `ambientd controller`: environment in, the mesh's CA running until a signal, its exit code out. 0: ended in
// order, 1: failed, 64: bad configuration or usage.
import { MeshError } from '../../common/errors.ts';
import { createLogging } from '../../common/logger.ts';
import { createController } from './app.ts';
import { loadKubeConfig } from './cluster-client.ts';
import { type ControllerConfig, parseControllerConfig } from './config.ts';

const usage = `Usage: ambientd controller

Runs the mesh's own CA in a cluster without istiod. All configuration comes from the environment.
`;

export async function main(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Promise<number> {
  const [word] = argv;
  if (word === 'help' || word === '--help' || word === '-h') {
    process.stdout.write(usage);
    return 0;
  }
  if (word !== undefined) return complain([`unknown argument "${word}" (see controller --help)`]);
  const parsed = parseControllerConfig(env);
  if (parsed.kind === 'problems') return complain(parsed.problems);
  return await run(parsed.config);
}

async function run(config: ControllerConfig): Promise<number> {
  const logging = createLogging({ format: config.logFormat, directives: config.logDirectives });
  const log = logging.logger('app');
  const asked = Promise.withResolvers<string>();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => asked.resolve(signal));
  let close = async (): Promise<void> => {};
  try {
    const app = createController({ config, kubeConfig: loadKubeConfig(config.kubeconfigPath), logging });
    close = () => app.close();
    log.info({ namespace: config.namespace, trustDomain: config.trustDomain }, 'controller starts');
    await Promise.race([app.start(), asked.promise]);
    const reason = await asked.promise;
    // Whoever asks twice does not want to wait.
    process.on('SIGINT', () => process.exit(0));
    log.info({ reason, deadline: `${config.drainDeadlineMs}ms` }, 'shutdown began');
    await app.drain(config.drainDeadlineMs);
    log.info('shutdown complete');
    return 0;
  } catch (error) {
    const code = error instanceof MeshError ? error.code : 'INTERNAL';
    log.error({ code, error: error instanceof Error ? error.message : String(error) }, 'controller failed');
    await close();
    return code === 'CONFIG_INVALID' ? 64 : 1;
  }
}

function complain(problems: readonly string[]): number {
  for (const problem of problems) process.stderr.write(`controller: ${problem}\n`);
  return 64;
}

if (import.meta.main) {
  // Not `process.exit`: its last flush of the log waits for ever where nobody reads the log any more.
  process.exitCode = await main(process.argv.slice(2), process.env);
  // Fires only if something is still open.
  setTimeout(() => process.exit(), 1_000).unref();
}
