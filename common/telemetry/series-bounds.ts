// How many series a metric may have, and how long an unused one stays: from the environment, the same for both daemons.
import type { EnvReader } from '../config/env-reader.ts';

export interface SeriesBounds {
  /** `AMBIENTD_METRIC_SERIES_LIMIT`, 20000: series of one metric; its overflow series comes on top. */
  readonly maxSeries: number;
  /** `AMBIENTD_METRIC_IDLE_EXPIRY`, 15m: how long nobody must have held a series before it leaves; 0: it stays. */
  readonly idleExpiryMs: number;
}

export const defaultSeriesBounds: SeriesBounds = { maxSeries: 20_000, idleExpiryMs: 15 * 60_000 };

export function readSeriesBounds(read: EnvReader): SeriesBounds {
  const { maxSeries, idleExpiryMs } = defaultSeriesBounds;
  return {
    maxSeries: read.integer('AMBIENTD_METRIC_SERIES_LIMIT', maxSeries, { min: 1, max: 10_000_000 }),
    idleExpiryMs: read.durationMs('AMBIENTD_METRIC_IDLE_EXPIRY', idleExpiryMs),
  };
}
