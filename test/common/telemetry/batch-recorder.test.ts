import t from 'tap';
import { createBatchRecorder } from '../../../common/telemetry/batch-recorder.ts';
import { createBatchSink } from '../../../common/telemetry/batch-sink.ts';
import { createMetricsRegistry } from '../../../common/telemetry/metrics-registry.ts';
import { addOnce, type MetricDefinition, type Recorder } from '../../../common/telemetry/recorder.ts';
import { randomFrom } from '../../support/random-from.ts';

const counter: MetricDefinition = { name: 'c_total', help: 'c', kind: 'counter', labelNames: ['a'] };
const gauge: MetricDefinition = { name: 'g', help: 'g', kind: 'gauge', labelNames: ['a'] };
const histogram: MetricDefinition = { name: 'h', help: 'h', kind: 'histogram', labelNames: [], buckets: [1, 10] };

async function pageOf(fill: (recorder: Recorder) => void): Promise<string> {
  const metrics = createMetricsRegistry();
  fill(metrics.recorder);
  const { body } = await metrics.exposition(undefined);
  return body
    .split('\n')
    .filter((line) => !line.includes('ambientd_'))
    .sort()
    .join('\n');
}

t.test('what is told in batches adds up to what would have been counted at once', async (t) => {
  const random = randomFrom(5);
  const steps = Array.from(
    { length: 2_000 },
    () => [Math.floor(random() * 3), Math.floor(random() * 5), random()] as const,
  );
  const step = (recorder: Recorder, [kind, label, amount]: readonly [number, number, number]): void => {
    if (kind === 0) addOnce(recorder.counter(counter, [String(label)]), Math.floor(amount * 9));
    if (kind === 1) addOnce(recorder.gauge(gauge, [String(label)]), amount < 0.5 ? 1 : -1);
    if (kind !== 2) return;
    const series = recorder.histogram(histogram, []);
    series.observe(amount * 20);
    series.release();
  };
  let nowMs = 0;
  const told = await pageOf((recorder) => {
    const sink = createBatchSink({ recorder });
    const batches = createBatchRecorder(() => nowMs);
    for (const each of steps) {
      step(batches, each);
      nowMs += 200;
      // As it passes between threads.
      if (random() < 0.1) sink.add(structuredClone(batches.take()));
    }
    sink.add(batches.take());
  });
  const atOnce = await pageOf((recorder) => {
    for (const each of steps) step(recorder, each);
  });
  t.equal(told, atOnce);
});

t.test('a series is named once, and again after it has been idle for long', (t) => {
  let nowMs = 0;
  const batches = createBatchRecorder(() => nowMs);
  const held = batches.counter(counter, ['held']);
  addOnce(batches.counter(counter, ['once']), 1);
  t.equal(batches.take().added.length, 2);
  addOnce(batches.counter(counter, ['once']), 1);
  t.same(batches.take(), { added: [], amounts: Float64Array.of(2, 1), observed: [], gone: [] });
  nowMs += 120_000;
  t.same(batches.take().gone, [2], 'nobody holds it');
  held.add(3);
  addOnce(batches.counter(counter, ['once']), 4);
  const last = batches.take();
  t.same(last.amounts, Float64Array.of(1, 3, 3, 4));
  t.same(
    last.added.map(({ id }) => id),
    [3],
  );
  t.end();
});

t.test('the gauges of a thread that is lost are taken back, its counters stay', async (t) => {
  const page = await pageOf((recorder) => {
    recorder.gauge(gauge, ['x']).add(5);
    const sink = createBatchSink({ recorder });
    const batches = createBatchRecorder(() => 0);
    batches.gauge(gauge, ['x']).add(3);
    batches.counter(counter, ['x']).add(3);
    sink.add(batches.take());
    sink.close();
  });
  t.match(page, /g\{a="x"\} 5/);
  t.match(page, /c_total\{a="x"\} 3/);
});

t.test('labels without end keep so many series; the total stays exact', async (t) => {
  const metrics = createMetricsRegistry();
  const sink = createBatchSink({ recorder: metrics.recorder });
  const batches = createBatchRecorder(() => 0, 3);
  for (let label = 0; label < 50; label++) addOnce(batches.counter(counter, [String(label)]), 2);
  addOnce(batches.counter(counter, ['1']), 1);
  const batch = batches.take();
  t.equal(batch.added.length, 4, 'three, and that of all others');
  sink.add(batch);
  const { body } = await metrics.exposition(undefined);
  t.same(
    body.split('\n').filter((line) => line.startsWith('c_total{')),
    ['c_total{a="0"} 2', 'c_total{a="1"} 3', 'c_total{a="2"} 2', 'c_total{a="overflow"} 94'],
  );
});
