// Metrics of the xDS stream, under the names of Istio's ztunnel (ztunnel.md §10).
import type { MetricDefinition, Recorder } from '../telemetry/recorder.ts';
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

export interface XdsCounters {
  ended(reason: TerminationReason): void;
  received(received: Received): void;
}

export function createXdsCounters(recorder: Recorder): XdsCounters {
  return {
    ended: (reason) => recorder.counter(terminations, [reason]).add(1),
    received({ typeUrl, bytes }) {
      recorder.counter(messages, [typeUrl]).add(1);
      recorder.counter(messageBytes, [typeUrl]).add(bytes);
    },
  };
}
