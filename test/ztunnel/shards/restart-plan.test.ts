import t from 'tap';
import { planShardRestart } from '../../../ztunnel/shards/restart-plan.ts';

t.test('a lost shard is begun again at once, and ever later while it does not last', (t) => {
  t.equal(planShardRestart({ livedMs: 5, lastDelayMs: 0, restarts: 0 }), 0);
  const delays: number[] = [];
  for (let restarts = 1; restarts <= 9; restarts++) {
    delays.push(planShardRestart({ livedMs: 5, lastDelayMs: delays.at(-1) ?? 0, restarts }));
  }
  t.same(delays, [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000, 5_000]);
  t.equal(planShardRestart({ livedMs: 3_600_000, lastDelayMs: 5_000, restarts: 10 }), 0, 'one that lasted');
  t.end();
});
