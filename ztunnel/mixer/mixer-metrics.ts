// Reports connections as Mixer's rules say: at open, every interval, and at the end, with the bytes since the report before. In: a connection's
// facts and its counts. Out: series. A rule is asked where the connection arrives; one that asks which side reports, on both. Source: §7.2, §7.4.
import { addOnce, type Recorder } from '../../common/telemetry/recorder.ts';
import type { ConnectionFacts } from '../connections/connection-facts.ts';
import { labelsOf } from '../connections/connection-facts.ts';
import { type AttributeLookUp, attributesOf, type ConnectionProgress, type Value } from './attributes.ts';
import type { MixerMetric, MixerRule } from './mixer-resources.ts';

export interface ConnectionBytes {
  readonly receivedBytes: number;
  readonly sentBytes: number;
}

export interface MixerReport {
  /** Later calls do nothing. */
  close(): void;
}

export interface MixerMetrics {
  /** For connections from now on. */
  useRules(rules: readonly MixerRule[]): void;
  /** Undefined where no rule can concern it. */
  open(facts: ConnectionFacts, bytes: ConnectionBytes): MixerReport | undefined;
  close(): void;
}

export interface MixerMetricsOptions {
  readonly recorder: Recorder;
  /** Rules of this namespace are for all. */
  readonly rootNamespace: string;
  /** Between two reports; Mixer's default is 10 s, the least 1 s. */
  readonly intervalMs: number;
  /** Milliseconds that only grow. */
  readonly now: () => number;
}

const reporterKind = 'context.reporter.kind';

export function createMixerMetrics(options: MixerMetricsOptions): MixerMetrics {
  const { intervalMs, rootNamespace } = options;
  const living = new Set<LivingReport>();
  let rules: readonly MixerRule[] = [];
  let timer: NodeJS.Timeout | undefined;

  function concerning(facts: ConnectionFacts): readonly MixerRule[] {
    const own = facts.direction === 'inbound' ? facts.destination : facts.source;
    const namespace = labelsOf(own)?.namespace;
    return rules.filter((rule) => {
      if (rule.namespace !== rootNamespace && rule.namespace !== namespace) return false;
      return facts.direction === 'inbound' || rule.match?.attributes.has(reporterKind) === true;
    });
  }

  function reportAll(): void {
    for (const report of living) report.report('continue');
  }

  return {
    useRules(changed) {
      rules = changed;
      if (rules.length > 0) timer ??= setInterval(reportAll, Math.max(1_000, intervalMs)).unref();
    },
    open(facts, bytes) {
      const asked = rules.length === 0 ? [] : concerning(facts);
      if (asked.length === 0) return undefined;
      const report = new LivingReport(options, asked, facts, bytes, () => living.delete(report));
      living.add(report);
      report.report('open');
      return report;
    },
    close: () => clearInterval(timer),
  };
}

class LivingReport implements MixerReport {
  readonly #options: MixerMetricsOptions;
  readonly #rules: readonly MixerRule[];
  readonly #facts: ConnectionFacts;
  readonly #bytes: ConnectionBytes;
  readonly #onClose: () => void;
  readonly #openedAtMs: number;
  #reported: ConnectionBytes = { receivedBytes: 0, sentBytes: 0 };
  #state: 'open' | 'closed' = 'open';

  constructor(
    options: MixerMetricsOptions,
    rules: readonly MixerRule[],
    facts: ConnectionFacts,
    bytes: ConnectionBytes,
    onClose: () => void,
  ) {
    this.#options = options;
    this.#rules = rules;
    this.#facts = facts;
    this.#bytes = bytes;
    this.#onClose = onClose;
    this.#openedAtMs = options.now();
  }

  report(event: ConnectionProgress['event']): void {
    const { receivedBytes, sentBytes } = this.#bytes;
    const attributes = attributesOf(this.#facts, {
      event,
      receivedBytes: receivedBytes - this.#reported.receivedBytes,
      sentBytes: sentBytes - this.#reported.sentBytes,
      totalReceivedBytes: receivedBytes,
      totalSentBytes: sentBytes,
      durationMs: this.#options.now() - this.#openedAtMs,
    });
    this.#reported = { receivedBytes, sentBytes };
    for (const { match, metrics } of this.#rules) {
      if (match !== undefined && match.evaluate(attributes) !== true) continue;
      for (const metric of metrics) record(this.#options.recorder, metric, attributes);
    }
  }

  close(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#onClose();
    this.report('close');
  }
}

/** A metric that needs what is absent is skipped; the others go on. */
function record(recorder: Recorder, { definition, value, dimensions }: MixerMetric, attributes: AttributeLookUp): void {
  const amount = numberOf(value.evaluate(attributes));
  const values = dimensions.map((dimension) => dimension.evaluate(attributes));
  if (amount === undefined || values.includes(undefined)) return;
  const labels = values.map(String);
  if (definition.kind === 'counter') {
    if (amount >= 0) addOnce(recorder.counter(definition, labels), amount);
    return;
  }
  const series = recorder.histogram(definition, labels);
  series.observe(amount);
  series.release();
}

function numberOf(value: Value | undefined): number | undefined {
  const amount = typeof value === 'string' ? Number.parseFloat(value) : value;
  return typeof amount === 'number' && Number.isFinite(amount) ? amount : undefined;
}
