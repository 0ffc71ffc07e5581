// Metrics of the xDS stream, under the names of Istio's ztunnel (ztunnel.md §10).
import type { MetricDefinition, Recorder, Series } from '../telemetry/recorder.ts';
import type { Received } from './delta-session.ts';
import type { TerminationReason } from './reconnect-plan.ts';

const terminations: MetricDefinition = {
  name: 'istio_xds_connection_terminations_total',
  help: 'The total number of xDS streams that ended, by reason (unstable)',
  kind: 'counter',
  labelNames: ['reason'],
};

const messages: MetricDefinition = {
  name: 'istio_xds_message_total',
  help: 'The total number of xDS responses that were received (unstable)',
  kind: 'counter',
  labelNames: ['url'],
};

const messageBytes: MetricDefinition = {
  name: 'istio_xds_message_bytes_total',
  help: 'The total size of the resources that were received (unstable)',
  kind: 'counter',
  labelNames: ['url'],
};

const demands: MetricDefinition = {
  name: 'ambientd_xds_on_demand_total',
  help: 'The total number of names that were asked for because a connection needed them (XDS_ON_DEMAND), by outcome (unstable)',
  kind: 'counter',
  labelNames: ['outcome'],
};

/** Istio's ztunnel counts these not. */
export function createDemandCounter(recorder: Recorder): Readonly<Record<'found' | 'absent' | 'unanswered', Series>> {
  const of = (outcome: string): Series => recorder.counter(demands, [outcome]);
  return { found: of('found'), absent: of('absent'), unanswered: of('unanswered') };
}

export interface XdsCounters {
  ended(reason: TerminationReason): void;
  received(received: Received): void;
}

/** Each series is held for good: there are as many as reasons, and as types that the server speaks of. */
export function createXdsCounters(recorder: Recorder): XdsCounters {
  const held = new Map<string, Series>();
  const count = (metric: MetricDefinition, value: string, amount: number): void => {
    const key = `${metric.name} ${value}`;
    const series = held.get(key) ?? recorder.counter(metric, [value]);
    held.set(key, series);
    series.add(amount);
  };
  return {
    ended: (reason) => count(terminations, reason, 1),
    received({ typeUrl, bytes }) {
      count(messages, typeUrl, 1);
      count(messageBytes, typeUrl, bytes);
    },
  };
}
