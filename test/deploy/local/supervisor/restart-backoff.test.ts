// When a process that ended starts again.
import t from 'tap';
import { noRestarts, planRestart } from '../../../../deploy/local/supervisor/restart-backoff.ts';

t.test('pauses double up to 30 s, and a run of a minute forgives', async (t) => {
  let history = noRestarts;
  const delays = Array.from({ length: 8 }, () => {
    const plan = planRestart(history, 10);
    history = plan.history;
    return plan.delayMs;
  });
  t.same(delays, [500, 1000, 2000, 4000, 8000, 16000, 30000, 30000]);
  t.same(planRestart(history, 60_000), { delayMs: 500, history: { restarts: 1 } });
});
