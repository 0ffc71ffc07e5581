// Counts a request when it has ended: istio_requests_total, duration, request and response bytes, each with its own labels.
// In: facts, and the chain's plan. Series are resolved once per set of label values and kept; the hot path compares one short key.
// Source: waypoint-telemetry.md §1.1, §1.2, §1.13.

import type { Attributes } from '../../common/expressions/expression.ts';
import type { Service } from '../../common/mesh/service.ts';
import type { Workload } from '../../common/mesh/workload.ts';
import type { HistogramSeries, MetricDefinition, Recorder, Series } from '../../common/telemetry/recorder.ts';
import type { MetricShortName } from '../resources/metrics-configuration.ts';
import type { Downstream } from '../served-target.ts';
import type { ChainTelemetry } from './chain-telemetry.ts';
import { pickValues } from './label-plan.ts';
import type { RequestFacts } from './request-facts.ts';
import { commonLabelValues, destinationService, requestLabelValues } from './waypoint-labels.ts';

/** Envoy's default bounds, for milliseconds and bytes alike. */
export const histogramBuckets: readonly number[] = [
  0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000,
  3_600_000,
];

interface SeriesSet {
  readonly count: Series | undefined;
  readonly duration: HistogramSeries | undefined;
  readonly requestBytes: HistogramSeries | undefined;
  readonly responseBytes: HistogramSeries | undefined;
}

/** Labels of one client, endpoint and plan, with the series that its requests have used. */
interface Pair {
  readonly chain: ChainTelemetry;
  readonly service: Service | undefined;
  readonly values: readonly string[];
  readonly sets: Map<string, SeriesSet>;
}

/** A request that ends after its client has gone is counted too, but keeps nothing. */
interface Client {
  state: 'connected' | 'gone';
  readonly pairs: Map<Workload | undefined, Pair>;
}

export interface RequestMetrics {
  /** @param attributes asked for only when the plan has expressions */
  record(facts: RequestFacts, chain: ChainTelemetry, attributes: () => Attributes): void;
  /** The client's connection has closed: its series may expire. */
  forget(downstream: Downstream): void;
}

/** What one client connection keeps at most; beyond it series are looked up anew. */
const maxSetsPerPair = 1000;
const maxPairsPerClient = 256;

const helps = {
  requests_total: 'The total number of requests handled',
  request_duration_milliseconds: 'The duration of requests in milliseconds',
  request_bytes: 'The size of requests in bytes',
  response_bytes: 'The size of responses in bytes',
} as const;

export function createRequestMetrics(recorder: Recorder): RequestMetrics {
  const clients = new WeakMap<Downstream, Client>();

  function pairOf(client: Client, { downstream, upstream }: RequestFacts, chain: ChainTelemetry): Pair {
    const destination = upstream?.workload;
    const service = destinationService(downstream, upstream);
    const known = client.pairs.get(destination);
    if (known?.chain === chain && known.service === service) return known;
    if (known !== undefined) releaseSets(known);
    if (client.pairs.size >= maxPairsPerClient) releasePairs(client);
    const pair: Pair = { chain, service, values: commonLabelValues(downstream, upstream), sets: new Map() };
    client.pairs.set(destination, pair);
    return pair;
  }

  return {
    record(facts, chain, attributes) {
      if (chain.http.plans.size === 0) return;
      const { downstream } = facts;
      let client = clients.get(downstream);
      if (client === undefined) clients.set(downstream, (client = { state: 'connected', pairs: new Map() }));
      const pair = pairOf(client, facts, chain);
      const own = requestLabelValues(facts);
      const { expressions } = chain.http;
      if (expressions.size > 0) own.push(...expressions.evaluate(attributes()));
      const key = own.join('\0');
      let set = pair.sets.get(key);
      if (set === undefined) {
        if (pair.sets.size >= maxSetsPerPair) releaseSets(pair);
        set = resolveSet(recorder, chain, [...pair.values, ...own]);
        pair.sets.set(key, set);
      }
      set.count?.add(1);
      set.duration?.observe(Math.round(facts.durationMs));
      set.requestBytes?.observe(facts.end.receivedBytes);
      set.responseBytes?.observe(facts.end.sentBytes);
      if (client.state === 'gone') releasePairs(client);
    },
    forget(downstream) {
      const client = clients.get(downstream) ?? { state: 'gone', pairs: new Map() };
      client.state = 'gone';
      releasePairs(client);
      clients.set(downstream, client);
    },
  };
}

function resolveSet(recorder: Recorder, chain: ChainTelemetry, vector: readonly string[]): SeriesSet {
  const histogram = (name: Exclude<keyof typeof helps, 'requests_total'>): HistogramSeries | undefined => {
    const plan = chain.http.plans.get(name);
    if (plan === undefined) return undefined;
    return recorder.histogram(definition(name, 'histogram', plan.names), pickValues(plan, vector));
  };
  const plan = chain.http.plans.get('requests_total');
  return {
    count: plan && recorder.counter(definition('requests_total', 'counter', plan.names), pickValues(plan, vector)),
    duration: histogram('request_duration_milliseconds'),
    requestBytes: histogram('request_bytes'),
    responseBytes: histogram('response_bytes'),
  };
}

function definition(
  name: keyof typeof helps & MetricShortName,
  kind: 'counter' | 'histogram',
  labelNames: readonly string[],
): MetricDefinition {
  const buckets = kind === 'histogram' ? { buckets: histogramBuckets } : {};
  return { name: `istio_${name}`, help: helps[name], kind, labelNames, ...buckets };
}

function releasePairs(client: Client): void {
  for (const pair of client.pairs.values()) releaseSets(pair);
  client.pairs.clear();
}

function releaseSets(pair: Pair): void {
  for (const { count, duration, requestBytes, responseBytes } of pair.sets.values()) {
    count?.release();
    duration?.release();
    requestBytes?.release();
    responseBytes?.release();
  }
  pair.sets.clear();
}
