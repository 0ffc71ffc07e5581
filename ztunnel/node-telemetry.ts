// What the node proxy tells of itself and of its connections: metrics, the access log, and metrics that the users' older manifests define.
import type { Logging } from '../common/logger.ts';
import type { KubernetesObject } from '../common/sources/kubernetes-object.ts';
import { createProblemLog } from '../common/sources/manifests/problem-log.ts';
import { createFailureJournal } from '../common/telemetry/failure-journal.ts';
import { readLogMetrics } from '../common/telemetry/log-metrics.ts';
import { createMetricsRegistry, type MetricsRegistry } from '../common/telemetry/metrics-registry.ts';
import { readRuntimeMetrics } from '../common/telemetry/runtime-metrics.ts';
import { createTcpReporter } from '../common/telemetry/tcp-reporter.ts';
import type { ZtunnelConfig } from './config.ts';
import { type ConnectionJournal, createConnectionJournal } from './connections/connection-journal.ts';
import { countBuild } from './inpod/proxy-metrics.ts';
import { createMixerMetrics } from './mixer/mixer-metrics.ts';
import { readMixerRules } from './mixer/mixer-resources.ts';

export interface NodeTelemetry {
  readonly metrics: MetricsRegistry;
  readonly journal: ConnectionJournal;
  /** For connections from now on. A rule with a mistake is told, and the others hold. */
  useObjects(objects: readonly KubernetesObject[]): void;
  close(): void;
}

/** Mixer's own default. */
const mixerIntervalMs = 10_000;
/** Where Mixer's rules hold for every namespace (its --configDefaultNamespace). */
const rootNamespace = 'istio-system';

export function createNodeTelemetry(config: ZtunnelConfig, logging: Logging): NodeTelemetry {
  const metrics = createMetricsRegistry(config.series);
  metrics.readAtScrape(readRuntimeMetrics());
  metrics.readAtScrape(readLogMetrics(logging));
  const { recorder } = metrics;
  countBuild(recorder, config.istioVersion);
  const now = (): number => performance.now();
  const reporter = createTcpReporter({ recorder, intervalMs: config.tcpReportingIntervalMs, countsFailures: true });
  const lines = logging.lines('access');
  const failures = createFailureJournal({ recorder, lines, linesPerSecond: config.failureLines, now });
  const mixer = createMixerMetrics({ recorder, rootNamespace, intervalMs: mixerIntervalMs, now });
  const problems = createProblemLog(logging.logger('mixer'));
  return {
    metrics,
    journal: createConnectionJournal({ reporter, further: mixer, failures, lines, now }),
    useObjects(objects) {
      const read = readMixerRules(objects);
      problems.report(read.problems);
      mixer.useRules(read.rules);
    },
    close() {
      reporter.close();
      mixer.close();
      failures.close();
    },
  };
}
