import { spawnSync } from 'node:child_process';
import t from 'tap';
import { createMetricsRegistry } from '../../../common/telemetry/metrics-registry.ts';
import { readRuntimeMetrics } from '../../../common/telemetry/runtime-metrics.ts';
import { createTcpReporter } from '../../../common/telemetry/tcp-reporter.ts';
import { tcpLabelsOfPeer } from '../../support/tcp-labels.ts';

const noPromtool =
  spawnSync('promtool', ['--version']).error !== undefined &&
  'the program promtool is missing; on Debian: apt install prometheus';

t.test('a scrape shows the process and its runtime, in both formats', async (t) => {
  const metrics = createMetricsRegistry();
  metrics.readAtScrape(readRuntimeMetrics());
  for (const accept of [undefined, 'application/openmetrics-text']) {
    const { body } = await metrics.exposition(accept);
    const value = (name: string): number => Number(new RegExp(`^${name}(?:\\{[^}]*\\})? (.*)$`, 'm').exec(body)?.[1]);
    t.ok(value('process_resident_memory_bytes') > 1e6);
    t.ok(value('process_cpu_seconds_total') > 0);
    t.ok(value('nodejs_heap_size_used_bytes') > 1e5);
    t.ok(value('nodejs_eventloop_lag_max_seconds') >= 0);
    if (process.platform === 'linux') {
      t.ok(value('process_open_fds') > 2);
      t.ok(value('process_max_fds') >= value('process_open_fds'));
    }
  }
});

t.test('what is not promised to stay says so', async (t) => {
  const metrics = createMetricsRegistry();
  metrics.readAtScrape(readRuntimeMetrics());
  const { body } = await metrics.exposition(undefined);
  const helps = body.split('\n').filter((line) => line.startsWith('# HELP '));
  t.ok(helps.length > 20);
  t.same(
    helps.filter((line) => !line.endsWith('(unstable)')),
    [],
  );
});

t.test(
  'promtool finds nothing to say about series, overflow, runtime and the registry itself',
  {
    skip: noPromtool,
  },
  async (t) => {
    const metrics = createMetricsRegistry({ maxSeries: 3 });
    metrics.readAtScrape(readRuntimeMetrics());
    const reporter = createTcpReporter({ recorder: metrics.recorder, intervalMs: 0, countsFailures: true });
    for (let peer = 0; peer < 300; peer += 1) reporter.open(tcpLabelsOfPeer(peer)).close(peer % 2 === 0 ? '-' : 'DENY');
    const input = (await metrics.exposition(undefined)).body;
    const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], { input, encoding: 'utf8' });
    t.same({ status, said: stdout + stderr }, { status: 0, said: '' });
  },
);
