import t from 'tap';
import { createEnvReader } from '../../../common/config/env-reader.ts';
import { readSeriesBounds } from '../../../common/telemetry/series-bounds.ts';

t.test('bounds have defaults, and the environment changes them', async (t) => {
  t.same(readSeriesBounds(createEnvReader({})), { maxSeries: 20_000, idleExpiryMs: 900_000 });
  const env = { AMBIENTD_METRIC_SERIES_LIMIT: '500', AMBIENTD_METRIC_IDLE_EXPIRY: '0' };
  t.same(readSeriesBounds(createEnvReader(env)), { maxSeries: 500, idleExpiryMs: 0 });
});

t.test('a limit that is none is a problem', async (t) => {
  const read = createEnvReader({ AMBIENTD_METRIC_SERIES_LIMIT: '0', AMBIENTD_METRIC_IDLE_EXPIRY: 'soon' });
  readSeriesBounds(read);
  t.equal(read.problems.length, 2);
});
