// How many connections a shard has that were counted as opened and not yet as closed, by their labels: when the shard is
// lost, they are counted as closed. In: amounts of the connection counters. Out: what is left. Bounded by living connections.
import type { LabelValues, MetricDefinition } from '../../common/telemetry/recorder.ts';
import { tcpMetricNames } from '../../common/telemetry/tcp-reporter.ts';

export interface LivingConnections {
  readonly labelNames: readonly string[];
  /** Of the opened series. */
  readonly values: LabelValues;
  readonly count: number;
}

interface Balance extends LivingConnections {
  count: number;
}

const flagName = 'response_flags';

export class ConnectionBalance {
  readonly #balances = new Map<string, Balance>();

  counted({ name, labelNames }: MetricDefinition, values: LabelValues, amount: number): void {
    const change = name === tcpMetricNames.opened ? amount : name === tcpMetricNames.closed ? -amount : 0;
    if (change === 0) return;
    const flagIndex = labelNames.indexOf(flagName);
    const opened = flagIndex < 0 ? values : values.with(flagIndex, '-');
    const key = [...labelNames, ...opened].join('\u0001');
    const balance = this.#balances.get(key) ?? { labelNames, values: opened, count: 0 };
    balance.count += change;
    if (balance.count === 0) this.#balances.delete(key);
    else this.#balances.set(key, balance);
  }

  living(): readonly LivingConnections[] {
    return [...this.#balances.values()].filter(({ count }) => count > 0);
  }
}

/** @param flag why they have ended */
export function withFlag({ labelNames, values }: LivingConnections, flag: string): LabelValues {
  const flagIndex = labelNames.indexOf(flagName);
  return flagIndex < 0 ? values : values.with(flagIndex, flag);
}
