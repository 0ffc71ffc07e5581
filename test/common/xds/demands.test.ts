// Names that connections wait for: asked for once, answered to all who wait, given up in time, and never more than a bound.
import t, { type Test } from 'tap';
import { createMetricsRegistry } from '../../../common/telemetry/metrics-registry.ts';
import { createDemands } from '../../../common/xds/demands.ts';

function setUp(t: Test, waitMs = 60_000) {
  const sent: string[] = [];
  const { recorder, exposition } = createMetricsRegistry();
  const demands = createDemands({
    address: 'https://istiod:15012',
    ask: (name) => void sent.push(`+${name}`),
    giveUp: (name) => void sent.push(`-${name}`),
    recorder,
    waitMs,
  });
  // A bound that nobody waits for at a socket keeps no process.
  const awake = setInterval(() => {}, 1_000);
  t.teardown(() => {
    clearInterval(awake);
    demands.close();
  });
  const count = async (outcome: string): Promise<number> => {
    const { body } = await exposition(undefined);
    return Number(new RegExp(`ambientd_xds_on_demand_total\\{outcome="${outcome}"\\} (\\d+)`).exec(body)?.[1]);
  };
  return { demands, sent, count };
}

t.test('a name is asked for once, however many wait, and all are told', async (t) => {
  const { demands, sent, count } = setUp(t);
  const waiting = [demands.ask(['a']), demands.ask(['a', 'b'])];
  t.same(sent, ['+a', '+b']);
  demands.told([
    { name: 'a', kind: 'found' },
    { name: 'b', kind: 'absent' },
    { name: 'c', kind: 'absent' },
  ]);
  t.same(await Promise.all(waiting), [{ kind: 'answered' }, { kind: 'answered' }]);
  t.same([await count('found'), await count('absent')], [1, 1]);
});

t.test('what was not there a moment ago is not asked for again; what was there and is missed again is', async (t) => {
  const { demands, sent } = setUp(t);
  const waiting = demands.ask(['a', 'b']);
  demands.told([
    { name: 'a', kind: 'absent' },
    { name: 'b', kind: 'found' },
  ]);
  await waiting;
  t.same(await demands.ask(['a']), { kind: 'answered' });
  void demands.ask(['b']);
  t.same(sent, ['+a', '+b', '+b']);
});

t.test('nobody waits for ever', async (t) => {
  const { demands, sent, count } = setUp(t, 10);
  const detail = /whether net\/10\.0\.0\.1 is in the mesh is not known: .*istiod:15012.*10 ms; check that it runs/;
  t.match(await demands.ask(['net/10.0.0.1']), { kind: 'unanswered', detail });
  t.same(sent, ['+net/10.0.0.1', '-net/10.0.0.1']);
  t.equal(await count('unanswered'), 1);
  const waiting = demands.ask(['b']);
  demands.close();
  t.match(await waiting, { kind: 'unanswered' }, 'nor after the end');
});

t.test('more than a thousand names at once are refused', async (t) => {
  const { demands, sent } = setUp(t);
  const names = Array.from({ length: 1_030 }, (_, index) => `n${index}`);
  const waiting = names.map((name) => demands.ask([name]));
  t.equal(sent.length, 1_024);
  t.match(await waiting.at(-1), { kind: 'unanswered', detail: /1024 names are being asked for already/ });
  demands.told([{ name: 'n0', kind: 'found' }]);
  t.same(await waiting[0], { kind: 'answered' });
});
