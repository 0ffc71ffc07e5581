// Durations in the environment: what is read, what is refused.
import t from 'tap';
import { parseDurationMs } from '../../../common/config/duration.ts';

t.test('a duration is read in its unit, parts are added, a bare number is seconds', async (t) => {
  const cases = {
    '5m': 300_000,
    '10s': 10_000,
    '1h30m': 5_400_000,
    '250ms': 250,
    '1.5s': 1_500,
    '2d': 172_800_000,
    '30': 30_000,
    '0': 0,
    '0.0004s': 0,
  };
  for (const [text, ms] of Object.entries(cases)) t.equal(parseDurationMs(text), ms, text);
});

t.test('anything else is no duration', async (t) => {
  for (const text of ['', 'm', '5 m', '-5s', '5x', '1e3', '5m!', '.5s', '1'.repeat(65)]) {
    t.equal(parseDurationMs(text), undefined, text);
  }
});
