// Series come and go with workloads: how many there are is bounded, and what Prometheus sums up stays exact.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import t from 'tap';
import { createMetricsRegistry } from '../../../common/telemetry/metrics-registry.ts';
import type { MetricDefinition } from '../../../common/telemetry/recorder.ts';
import { addOnce } from '../../../common/telemetry/recorder.ts';
import { createTcpReporter } from '../../../common/telemetry/tcp-reporter.ts';
import { increasesSeenBy, samplesOf } from '../../support/prometheus-view.ts';
import { tcpLabelsOfPeer } from '../../support/tcp-labels.ts';

const bytes: MetricDefinition = { name: 'bytes_total', help: 'Bytes', kind: 'counter', labelNames: ['peer', 'flag'] };
const sizes: MetricDefinition = { name: 'sizes', help: 'Sizes', kind: 'histogram', labelNames: ['peer'], buckets: [1] };
const open: MetricDefinition = { name: 'open', help: 'Open', kind: 'gauge', labelNames: ['peer'] };

function setUp(maxSeries: number, idleExpiryMs = 60_000) {
  const clock = { nowMs: 0 };
  const { recorder, exposition } = createMetricsRegistry({ maxSeries, idleExpiryMs, now: () => clock.nowMs });
  const scrape = async () => samplesOf((await exposition(undefined)).body);
  const count = (peer: string, amount: number): void => addOnce(recorder.counter(bytes, [peer, '-']), amount);
  return { clock, recorder, scrape, count };
}

t.test('what finds no room is counted in one series whose labels are all "overflow"', async (t) => {
  const { count, scrape, recorder } = setUp(2);
  for (const peer of ['a', 'b', 'c', 'd', 'a', 'c']) count(peer, 10);
  addOnce(recorder.counter({ ...bytes, labelNames: ['peer', 'flag', 'added'] }, ['x', '-', 'y']), 5);
  const samples = await scrape();
  t.equal(samples.get('bytes_total{peer="a",flag="-"}'), 20);
  t.equal(samples.get('bytes_total{peer="b",flag="-"}'), 10);
  t.equal(samples.get('bytes_total{peer="overflow",flag="overflow"}'), 35);
  t.equal([...samples.keys()].filter((name) => name.startsWith('bytes_total')).length, 3);
  t.equal(samples.get('ambientd_metric_series{metric="bytes_total"}'), 2);
  t.equal(samples.get('ambientd_metric_series_limit'), 2);
  t.equal(samples.get('ambientd_metric_overflow_total{metric="bytes_total"}'), 4);
});

t.test('a peer that is itself called "overflow" makes no second series of that name', async (t) => {
  const { recorder, scrape } = setUp(1);
  addOnce(recorder.counter(bytes, ['overflow', 'overflow']), 1);
  addOnce(recorder.counter(bytes, ['a', '-']), 1);
  addOnce(recorder.counter(bytes, ['b', '-']), 1);
  t.equal((await scrape()).get('bytes_total{peer="overflow",flag="overflow"}'), 2);
});

t.test('a series leaves when nobody has held it for long, after it was shown once more', async (t) => {
  const { clock, count, scrape } = setUp(10);
  count('a', 7);
  clock.nowMs = 59_999;
  t.equal((await scrape()).get('bytes_total{peer="a",flag="-"}'), 7);
  clock.nowMs = 60_000;
  t.equal((await scrape()).get('bytes_total{peer="a",flag="-"}'), 7, 'shown, and only then let go');
  const after = await scrape();
  t.equal(after.get('bytes_total{peer="a",flag="-"}'), undefined);
  t.equal(after.get('ambientd_metric_evictions_total{metric="bytes_total"}'), 1);
  t.equal(after.get('ambientd_metric_series{metric="bytes_total"}'), 0);
});

t.test('a series that somebody holds stays, however long nothing is added', async (t) => {
  const { clock, recorder, scrape } = setUp(10);
  const first = recorder.counter(bytes, ['a', '-']);
  const second = recorder.counter(bytes, ['a', '-']);
  first.add(1);
  first.release();
  clock.nowMs = 1e9;
  await scrape();
  second.add(1);
  t.equal((await scrape()).get('bytes_total{peer="a",flag="-"}'), 2);
  second.release();
  clock.nowMs = 2e9;
  await scrape();
  t.equal((await scrape()).get('bytes_total{peer="a",flag="-"}'), undefined);
});

t.test('an expiry of 0 keeps every series', async (t) => {
  const { clock, count, scrape } = setUp(10, 0);
  count('a', 1);
  clock.nowMs = 1e12;
  await scrape();
  t.equal((await scrape()).get('bytes_total{peer="a",flag="-"}'), 1);
});

t.test('a gauge stays while it is not zero', async (t) => {
  const { clock, recorder, scrape } = setUp(10);
  const gauge = recorder.gauge(open, ['a']);
  gauge.add(1);
  gauge.release();
  clock.nowMs = 60_000;
  await scrape();
  t.equal((await scrape()).get('open{peer="a"}'), 1);
  addOnce(recorder.gauge(open, ['a']), -1);
  clock.nowMs = 120_000;
  await scrape();
  t.equal((await scrape()).get('open{peer="a"}'), undefined);
});

t.test('a series that comes back goes on from its total, so that Prometheus sees its whole increase', async (t) => {
  const { clock, count, recorder, scrape } = setUp(10);
  count('a', 5);
  const histogram = recorder.histogram(sizes, ['a']);
  for (const size of [1, 9]) histogram.observe(size);
  histogram.release();
  const seen = increasesSeenBy();
  seen.scrape(await scrape());
  clock.nowMs = 60_000;
  await scrape();
  seen.scrape(await scrape());
  // Had it begun at 0, a window with 5 and then 7 in it would show an increase of 2.
  count('a', 7);
  const again = recorder.histogram(sizes, ['a']);
  again.observe(1);
  again.release();
  const back = await scrape();
  seen.scrape(back);
  t.equal(back.get('bytes_total{peer="a",flag="-"}'), 12);
  t.equal(back.get('sizes_count{peer="a"}'), 3);
  t.equal(back.get('sizes_sum{peer="a"}'), 11);
  t.equal(seen.total('bytes_total'), 12);
});

t.test('totals of those who left are remembered for as many as there may be series, the newest', async (t) => {
  const { clock, count, scrape } = setUp(2);
  for (const peers of [['a'], ['b', 'c']]) {
    for (const peer of peers) count(peer, 5);
    clock.nowMs += 60_000;
    await scrape();
  }
  count('a', 3);
  count('c', 3);
  const samples = await scrape();
  t.equal(
    samples.get('bytes_total{peer="a",flag="-"}'),
    3,
    'forgotten: begins at 0, which Prometheus takes for a restart',
  );
  t.equal(samples.get('bytes_total{peer="c",flag="-"}'), 8);
});

t.test('100 000 peers who come, go and come back leave a bounded number of series, and exact totals', async (t) => {
  const { clock, count, scrape } = setUp(5_000);
  const seen = increasesSeenBy();
  let expected = 0;
  for (let round = 0; round < 50; round += 1) {
    // The last hundred come back in the next round, and one in ten a few rounds later, when its series has left.
    for (let peer = 0; peer < 2_100; peer += 1) {
      const back = peer % 10 === 0 ? Math.max(0, round - 2) : round;
      count(`peer-${back * 2_000 + peer}`, peer);
      expected += peer;
    }
    clock.nowMs += 30_000;
    seen.scrape(await scrape());
  }
  t.equal(seen.total('bytes_total'), expected);
  const last = await scrape();
  t.ok((last.get('ambientd_metric_series{metric="bytes_total"}') ?? Number.NaN) <= 5_000);
  t.equal(last.get('ambientd_metric_overflow_total{metric="bytes_total"}'), 0);
});

t.test('100 000 peers who come and go leave memory as it was', async (t) => {
  const clock = { nowMs: 0 };
  const metrics = createMetricsRegistry({ maxSeries: 5_000, idleExpiryMs: 60_000, now: () => clock.nowMs });
  const reporter = createTcpReporter({ recorder: metrics.recorder, intervalMs: 0, countsFailures: true });
  const heap: number[] = [];
  for (let round = 0; round < 50; round += 1) {
    for (let peer = 0; peer < 2_000; peer += 1) reporter.open(tcpLabelsOfPeer(round * 2_000 + peer)).close('-');
    clock.nowMs += 60_000;
    for await (const slice of metrics.expose(undefined).slices) slice.at(0);
    if (round % 10 === 9) heap.push(heapBytes());
  }
  const growth = (heap.at(-1) ?? Number.NaN) - (heap[1] ?? 0);
  t.ok(growth < 4e6, `${(growth / 1e6).toFixed(1)} MB more after 60 000 peers more (heap: ${heap.join(', ')})`);
  reporter.close();
});

t.test('100 000 peers at once fill the limit, and the overflow series has the rest', async (t) => {
  const { recorder, scrape } = setUp(20_000);
  let expected = 0;
  for (let peer = 0; peer < 100_000; peer += 1) {
    addOnce(recorder.counter(bytes, [`peer-${peer}`, '-']), peer);
    expected += peer;
  }
  const samples = await scrape();
  const values = [...samples].flatMap(([name, value]) => (name.startsWith('bytes_total{') ? [value] : []));
  t.equal(values.length, 20_001);
  t.equal(
    values.reduce((sum, value) => sum + value, 0),
    expected,
  );
  t.equal(samples.get('ambientd_metric_overflow_total{metric="bytes_total"}'), 80_000);
});

t.test('a page in many slices is one page, with each head once, in both formats', async (t) => {
  const { recorder, exposition, expose } = createMetricsRegistry();
  for (let peer = 0; peer < 1_000; peer += 1) {
    addOnce(recorder.counter(bytes, [`peer-${peer}`, '-']), 1);
    const histogram = recorder.histogram(sizes, [`peer-${peer}`]);
    histogram.observe(2);
    histogram.release();
  }
  for (const accept of [undefined, 'application/openmetrics-text']) {
    const { body } = await exposition(accept);
    const family = accept === undefined ? 'bytes_total' : 'bytes';
    t.equal(body.split(`# TYPE ${family} counter\n`).length, 2);
    t.equal(body.split('# HELP sizes Sizes\n').length, 2);
    t.equal(body.match(/^bytes_total\{peer="peer-\d+",flag="-"\} 1$/gm)?.length, 1_000);
    t.equal(body.match(/^sizes_bucket\{le="\+Inf",peer="peer-\d+"\} 1$/gm)?.length, 1_000);
  }
  let slices = 0;
  for await (const slice of expose(undefined).slices) slices += slice === '' ? 0 : 1;
  t.ok(slices > 20, `${slices} slices`);
});

function heapBytes(): number {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  return process.memoryUsage().heapUsed;
}
