// The waypoint as a program: reads the environment, runs until SIGTERM or SIGINT, drains, ends. The only file here that touches the
// process. Exit code 64 with every problem of the configuration, 1 when it cannot start, else 0.
import { existsSync } from 'node:fs';
import { createLogging } from '../common/logger.ts';
import { createWaypoint } from './app.ts';
import { parseWaypointConfig } from './config.ts';

const usage = `ambientd waypoint: serves one Gateway of class istio-waypoint.
It takes no arguments; its settings are the environment variables of waypoint/config.ts, at least
GATEWAY_NAME and POD_NAMESPACE. The mesh comes from istiod, or from AMBIENTD_MANIFESTS or AMBIENTD_SOURCE=kubernetes.
`;

export async function main(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Promise<number> {
  if (argv.includes('--help')) {
    process.stdout.write(usage);
    return 0;
  }
  const parsed = parseWaypointConfig(env, existsSync);
  const problems = parsed.kind === 'problems' ? [...parsed.problems] : [];
  if (argv.length > 0) problems.push(`waypoint takes no arguments, got ${argv.join(' ')}; see --help`);
  if (parsed.kind === 'problems' || problems.length > 0) {
    for (const problem of problems) process.stderr.write(`waypoint: ${problem}\n`);
    return 64;
  }
  const { config } = parsed;
  const logging = createLogging({ format: config.logFormat, directives: config.logDirectives });
  const log = logging.logger('waypoint');
  const waypoint = createWaypoint(config, logging);
  const ended = whenToldToEnd();
  try {
    // Whatever it waits for at the start, it can be told to end.
    await Promise.race([waypoint.start(), ended]);
    const signal = await ended;
    log.info({ signal, deadlineMs: config.drainDeadlineMs }, 'draining');
    await waypoint.drain(config.drainDeadlineMs);
    return 0;
  } catch (error) {
    process.stderr.write(`waypoint: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  } finally {
    await waypoint.close();
  }
}

function whenToldToEnd(): Promise<string> {
  return new Promise((settle) => {
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.once(signal, () => settle(signal));
  });
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2), process.env);
