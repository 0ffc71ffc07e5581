// Opens and closes connections as far as telemetry sees them: 64 at once, of 200 clients to one service. Log lines go to standard output, the
// CPU in µs for each connection to standard error. usage: telemetry-connections.ts nothing|metrics|json|plain CONNECTIONS
import { setTimeout as pause } from 'node:timers/promises';
import { identityOf } from '../../common/identity/identity.ts';
import { parseDirectives } from '../../common/log-levels.ts';
import { createLogging } from '../../common/logger.ts';
import { createFailureJournal } from '../../common/telemetry/failure-journal.ts';
import { createMetricsRegistry } from '../../common/telemetry/metrics-registry.ts';
import { createTcpReporter } from '../../common/telemetry/tcp-reporter.ts';
import type { ConnectionFacts } from '../../ztunnel/connections/connection-facts.ts';
import { type ConnectionJournal, createConnectionJournal } from '../../ztunnel/connections/connection-journal.ts';
import { aService, aWorkload, endAt } from '../support/mesh-objects.ts';

const [variant = '', countText = '100000'] = process.argv.slice(2);
const connections = Number(countText);
const atOnce = 64;
const clients = Array.from({ length: 200 }, (_, index) =>
  aWorkload({ name: `client-${index}`, serviceAccount: 'client' }),
);
const server = aWorkload({ name: 'server-1', namespace: 'shop', serviceAccount: 'server', canonicalName: 'server' });
const service = aService({ name: 'server', namespace: 'shop' });

function factsOf(number: number): ConnectionFacts {
  const workload = clients[number % clients.length] ?? server;
  const address = endAt(`10.0.0.1:${1_024 + (number % 60_000)}`);
  return {
    direction: 'outbound',
    source: { address, workload, claimed: undefined, identity: identityOf(workload) },
    destination: {
      address: endAt('10.0.0.2:15008'),
      workload: server,
      claimed: undefined,
      identity: identityOf(server),
    },
    hboneAuthority: '10.0.0.2:8080',
    service,
  };
}

const idle = { count: { received: () => undefined, sent: () => undefined }, close: () => undefined };

const parsed = parseDirectives(variant === 'metrics' ? 'off' : 'info');
if (parsed.kind === 'invalid') throw new Error(parsed.directive);
const logging = createLogging({ format: variant === 'json' ? 'json' : 'plain', directives: parsed.directives });

function journalOf(): ConnectionJournal {
  if (variant === 'nothing') return { open: () => idle, deny: () => undefined };
  const { recorder } = createMetricsRegistry();
  const now = (): number => performance.now();
  const lines = logging.lines('access');
  const reporter = createTcpReporter({ recorder, intervalMs: 15_000, countsFailures: true });
  const failures = createFailureJournal({ recorder, lines, linesPerSecond: 0, now });
  return createConnectionJournal({ reporter, failures, lines, now });
}

const journal = journalOf();
/** Made before the clock runs: the data path has them anyhow. */
const facts = Array.from({ length: 10_000 }, (_, number) => factsOf(number));

async function carry(count: number): Promise<void> {
  for (let done = 0; done < count; done += atOnce) {
    const batch = facts.slice(done % (facts.length - atOnce)).slice(0, atOnce);
    const open = batch.map((each) => journal.open(each));
    for (const entry of open) {
      entry.count.received(1_000);
      entry.count.sent(1_000);
      entry.close(undefined);
    }
    // Some 15 000 a second: a disk that keeps up drops no line.
    await pause(4);
  }
}

await carry(10_000);
const before = process.cpuUsage();
await carry(connections);
const { user, system } = process.cpuUsage(before);
const dropped = logging.droppedLines();
if (dropped > 0) throw new Error(`${dropped} lines were dropped: nothing is known of their cost`);
process.stderr.write(String((user + system) / connections));
process.exit(0);
