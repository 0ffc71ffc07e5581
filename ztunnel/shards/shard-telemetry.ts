// What one shard tells of its connections: metrics, the access log, and metrics that the users' older manifests define.
import type { Logging } from '../../common/logger.ts';
import type { KubernetesObject } from '../../common/sources/kubernetes-object.ts';
import { createFailureJournal } from '../../common/telemetry/failure-journal.ts';
import type { Recorder } from '../../common/telemetry/recorder.ts';
import { createTcpReporter } from '../../common/telemetry/tcp-reporter.ts';
import type { ZtunnelConfig } from '../config.ts';
import { type ConnectionJournal, createConnectionJournal } from '../connections/connection-journal.ts';
import { loadMixerRules } from '../mixer/load-mixer-rules.ts';
import { createMixerMetrics } from '../mixer/mixer-metrics.ts';

export interface ShardTelemetry {
  readonly journal: ConnectionJournal;
  /** A rule with a mistake is left out. */
  useObjects(objects: readonly KubernetesObject[]): void;
  /** Settles when the last objects are in use. Never rejects. */
  whenUsed(): Promise<void>;
  close(): void;
}

/** Mixer's own default. */
const mixerIntervalMs = 10_000;
/** Where Mixer's rules hold for every namespace (its --configDefaultNamespace). */
const rootNamespace = 'istio-system';

export function createShardTelemetry(config: ZtunnelConfig, logging: Logging, recorder: Recorder): ShardTelemetry {
  const now = (): number => performance.now();
  const reporter = createTcpReporter({ recorder, intervalMs: config.tcpReportingIntervalMs, countsFailures: true });
  const lines = logging.lines('access');
  const failures = createFailureJournal({ recorder, lines, linesPerSecond: config.failureLines, now });
  const mixer = createMixerMetrics({ recorder, rootNamespace, intervalMs: mixerIntervalMs, now });
  let used: Promise<void> = Promise.resolve();
  return {
    journal: createConnectionJournal({ reporter, further: mixer, failures, lines, now }),
    useObjects(objects) {
      const loaded = loadMixerRules(objects);
      used = used.then(async () => mixer.useRules((await loaded).rules));
    },
    whenUsed: () => used,
    close() {
      reporter.close();
      mixer.close();
      failures.close();
    },
  };
}
