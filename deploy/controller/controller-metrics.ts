// What the controller counts: answers of the CA, failures to synchronize, namespaces without the bundle, and when the roots
// end. In: what happened. Out: series of the recorder.
import type { CaAnswer } from '../../common/ca/answer-request.ts';
import { type RootSet, validityOf } from '../../common/identity/root-set.ts';
import type { MetricDefinition, Recorder, Series } from '../../common/telemetry/recorder.ts';

export interface ControllerMetrics {
  answered(answer: CaAnswer): void;
  syncFailed(): void;
  synced(set: RootSet, nowMs: number, namespacesFailed: number): void;
}

const answers: MetricDefinition = {
  name: 'ambientd_ca_answers_total',
  help: 'Answers to certificate requests, by status: OK or the reason of the refusal.',
  kind: 'counter',
  labelNames: ['status'],
};
const failures: MetricDefinition = {
  name: 'ambientd_ca_sync_failures_total',
  help: 'Times that roots or trust bundles could not be brought up to date.',
  kind: 'counter',
  labelNames: [],
};
const lastSync = gauge('ambientd_ca_last_sync_timestamp_seconds', 'When the roots were last read.');
const rootEnd = gauge('ambientd_ca_root_expiry_timestamp_seconds', 'When the signing root ends.');
const trusted = gauge('ambientd_ca_trusted_roots', 'Roots in the trust bundle: 2 while one follows another.');
const behind = gauge(
  'ambientd_ca_bundle_failures',
  'Namespaces whose trust bundle could not be written the last time.',
);

export function createControllerMetrics(recorder: Recorder): ControllerMetrics {
  const failed = recorder.counter(failures, []);
  const [syncedAt, endsAt, roots, missing] = [lastSync, rootEnd, trusted, behind].map((metric) =>
    settable(recorder.gauge(metric, [])),
  );
  return {
    answered(answer) {
      recorder.counter(answers, [answer.kind === 'issued' ? 'OK' : answer.status]).add(1);
    },
    syncFailed: () => failed.add(1),
    synced(set, nowMs, namespacesFailed) {
      syncedAt?.(nowMs / 1000);
      endsAt?.(validityOf(set.signing.certificatePem).notAfterMs / 1000);
      roots?.(set.kind === 'steady' ? 1 : 2);
      missing?.(namespacesFailed);
    },
  };
}

function gauge(name: string, help: string): MetricDefinition {
  return { name, help, kind: 'gauge', labelNames: [] };
}

function settable(series: Series): (value: number) => void {
  let shown = 0;
  return (value) => {
    series.add(value - shown);
    shown = value;
  };
}
