// Counts the messages of gRPC calls: istio_request_messages_total and istio_response_messages_total, with the common labels only; while a call
// lives at every interval, the rest at its end. In: both ends and the chain's plan. Out: a report that counts messages. Source:
// waypoint-telemetry.md §1.1, §1.3, §1.13.
import type { MetricDefinition, Recorder, Series } from '../../common/telemetry/recorder.ts';
import type { MetricShortName } from '../resources/metrics-configuration.ts';
import type { ChainTelemetry } from './chain-telemetry.ts';
import { pickValues } from './label-plan.ts';
import type { TcpFacts } from './log-facts.ts';
import { connectionAttributes } from './request-attributes.ts';
import { commonLabelValues } from './waypoint-labels.ts';

/** One call's report. */
export interface MessageReport {
  readonly request: (messages: number) => void;
  readonly response: (messages: number) => void;
  /** Later calls do nothing. */
  close(): void;
}

export interface MessageMetrics {
  open(call: Pick<TcpFacts, 'downstream' | 'upstream'>, chain: ChainTelemetry): MessageReport;
  /** Ends the periodic reports. */
  close(): void;
}

const helps = {
  request_messages_total: 'The total number of gRPC messages of requests',
  response_messages_total: 'The total number of gRPC messages of responses',
} as const;

const noFilterState: ReadonlyMap<string, string> = new Map();
const tickMs = 1_000;

export function createMessageMetrics(
  recorder: Recorder,
  defaultIntervalMs: number,
  now = () => performance.now(),
): MessageMetrics {
  const living = new Set<LivingCall>();
  let timer: NodeJS.Timeout | undefined;

  function reportDue(): void {
    const time = now();
    for (const call of living) if (call.dueMs <= time) call.report(time);
  }

  return {
    open(call, chain) {
      const { plans, expressions } = chain.messages;
      const attributes = connectionAttributes(call.downstream, noFilterState, () => call.upstream);
      const vector = [...commonLabelValues(call.downstream, call.upstream), ...expressions.evaluate(attributes)];
      const seriesOf = (name: keyof typeof helps & MetricShortName): Series | undefined => {
        const plan = plans.get(name);
        return plan && recorder.counter(definition(name, plan.names), pickValues(plan, vector));
      };
      const [requests, responses] = [seriesOf('request_messages_total'), seriesOf('response_messages_total')];
      const intervalMs = chain.reportingIntervalMs ?? defaultIntervalMs;
      const opened = new LivingCall({ requests, responses, intervalMs, openedMs: now() }, (ended) =>
        living.delete(ended),
      );
      if (intervalMs > 0) {
        living.add(opened);
        timer ??= setInterval(reportDue, tickMs).unref();
      }
      return opened;
    },
    close: () => clearInterval(timer),
  };
}

function definition(name: keyof typeof helps, labelNames: readonly string[]): MetricDefinition {
  return { name: `istio_${name}`, help: helps[name], kind: 'counter', labelNames };
}

interface CallSeries {
  readonly requests: Series | undefined;
  readonly responses: Series | undefined;
  readonly intervalMs: number;
  readonly openedMs: number;
}

class LivingCall implements MessageReport {
  dueMs: number;
  readonly #series: CallSeries;
  readonly #onClose: (call: LivingCall) => void;
  /** Not reported yet. */
  #requests = 0;
  #responses = 0;
  #state: 'open' | 'closed' = 'open';

  constructor(series: CallSeries, onClose: (call: LivingCall) => void) {
    this.#series = series;
    this.#onClose = onClose;
    this.dueMs = series.openedMs + series.intervalMs;
  }

  readonly request = (messages: number): void => {
    this.#requests += messages;
  };

  readonly response = (messages: number): void => {
    this.#responses += messages;
  };

  report(nowMs: number): void {
    this.dueMs = nowMs + this.#series.intervalMs;
    this.#series.requests?.add(this.#requests);
    this.#series.responses?.add(this.#responses);
    this.#requests = 0;
    this.#responses = 0;
  }

  close(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#onClose(this);
    this.report(0);
    this.#series.requests?.release();
    this.#series.responses?.release();
  }
}
