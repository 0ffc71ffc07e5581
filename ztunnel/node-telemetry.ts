// What the node proxy tells of itself: the metrics page, with what its shards have counted, and mistakes in users' older manifests.
import type { Logging } from '../common/logger.ts';
import type { KubernetesObject } from '../common/sources/kubernetes-object.ts';
import { createProblemLog } from '../common/sources/manifests/problem-log.ts';
import { readLogMetrics } from '../common/telemetry/log-metrics.ts';
import { createMetricsRegistry, type MetricsRegistry } from '../common/telemetry/metrics-registry.ts';
import { readRuntimeMetrics } from '../common/telemetry/runtime-metrics.ts';
import type { ZtunnelConfig } from './config.ts';
import { countBuild } from './inpod/proxy-metrics.ts';
import { loadMixerRules } from './mixer/load-mixer-rules.ts';
import type { Shards } from './shards/shards.ts';

export interface NodeTelemetry {
  readonly metrics: MetricsRegistry;
  /** Tells of each mistake once; the shards use the rules that have none. */
  checkObjects(objects: readonly KubernetesObject[]): void;
  /** From now on the page shows what they have counted. */
  follow(shards: Pick<Shards, 'collect' | 'droppedLines'>): void;
}

export function createNodeTelemetry(config: ZtunnelConfig, logging: Logging): NodeTelemetry {
  const metrics = createMetricsRegistry(config.series);
  metrics.readAtScrape(readRuntimeMetrics());
  countBuild(metrics.recorder, config.istioVersion);
  const problems = createProblemLog(logging.logger('mixer'));
  let checked: Promise<void> = Promise.resolve();
  return {
    metrics,
    checkObjects(objects) {
      const loaded = loadMixerRules(objects);
      checked = checked.then(async () => {
        problems.report((await loaded).problems);
      });
    },
    follow(shards) {
      metrics.collectBefore(() => shards.collect());
      const droppedLines = (): number => logging.droppedLines() + shards.droppedLines();
      metrics.readAtScrape(readLogMetrics({ droppedLines }));
    },
  };
}
