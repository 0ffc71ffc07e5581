import t from 'tap';
import { createMetricsRegistry } from '../../../common/telemetry/metrics-registry.ts';
import type { MetricDefinition } from '../../../common/telemetry/recorder.ts';

const requests: MetricDefinition = {
  name: 'istio_requests_total',
  help: 'Requests',
  kind: 'counter',
  labelNames: ['a', 'b'],
};
const tagged: MetricDefinition = { ...requests, labelNames: ['a', 'b', 'route_name'] };
const duration: MetricDefinition = {
  name: 'istio_request_duration_milliseconds',
  help: 'Duration',
  kind: 'histogram',
  labelNames: ['a'],
  buckets: [1, 5],
};

t.test('a registry without series answers an empty page', async (t) => {
  t.equal((await createMetricsRegistry().exposition(undefined)).body.trim(), '');
});

t.test('the same definition and values are the same series', async (t) => {
  const { recorder, exposition } = createMetricsRegistry();
  recorder.counter(requests, ['x', 'y']).add(2);
  recorder.counter(requests, ['x', 'y']).add(3);
  t.match((await exposition(undefined)).body, 'istio_requests_total{a="x",b="y"} 5');
});

t.test('one metric holds series with different label names, labels in their order', async (t) => {
  const { recorder, exposition } = createMetricsRegistry();
  recorder.counter(requests, ['x', 'y']).add(1);
  recorder.counter(tagged, ['x', 'y', 'GET /healthz']).add(1);
  const { body } = await exposition(undefined);
  t.match(body, 'istio_requests_total{a="x",b="y"} 1\n');
  t.match(body, 'istio_requests_total{a="x",b="y",route_name="GET /healthz"} 1\n');
  t.equal(body.split('# TYPE istio_requests_total counter').length, 2);
});

t.test('label values are escaped', async (t) => {
  const { recorder, exposition } = createMetricsRegistry();
  recorder.counter(requests, ['a"b', 'c\\d\ne']).add(1);
  t.match((await exposition(undefined)).body, String.raw`istio_requests_total{a="a\"b",b="c\\d\ne"} 1`);
});

t.test('a histogram cumulates its buckets and counts what is beyond the last bound', async (t) => {
  const { recorder, exposition } = createMetricsRegistry();
  const series = recorder.histogram(duration, ['x']);
  for (const value of [0, 1, 4, 9]) series.observe(value);
  const { body } = await exposition(undefined);
  t.match(body, 'istio_request_duration_milliseconds_bucket{le="1",a="x"} 2\n');
  t.match(body, 'istio_request_duration_milliseconds_bucket{le="5",a="x"} 3\n');
  t.match(body, 'istio_request_duration_milliseconds_bucket{le="+Inf",a="x"} 4\n');
  t.match(body, 'istio_request_duration_milliseconds_sum{a="x"} 14\n');
  t.match(body, 'istio_request_duration_milliseconds_count{a="x"} 4\n');
});

t.test(
  'OpenMetrics is answered to a scraper that accepts it, text to any other, and both again and again',
  async (t) => {
    const { recorder, exposition } = createMetricsRegistry();
    recorder.counter(requests, ['x', 'y']).add(1);
    for (let round = 0; round < 2; round += 1) {
      const open = await exposition('application/openmetrics-text;version=1.0.0,text/plain;q=0.5');
      t.match(open.contentType, 'application/openmetrics-text');
      t.match(open.body, '# TYPE istio_requests counter\nistio_requests_total{a="x",b="y"} 1\n');
      t.match(open.body, /# EOF\n$/);
      const text = await exposition('text/plain');
      t.match(text.contentType, 'text/plain');
      t.match(text.body, '# TYPE istio_requests_total counter\nistio_requests_total{a="x",b="y"} 1\n');
    }
  },
);

t.test('what is collected before a scrape is in it', async (t) => {
  const { recorder, exposition, collectBefore } = createMetricsRegistry();
  const sockets = recorder.gauge({ name: 'sockets', help: 'Open sockets', kind: 'gauge', labelNames: [] }, []);
  collectBefore(async () => sockets.add(1));
  t.match((await exposition(undefined)).body, 'sockets 1');
  t.match((await exposition(undefined)).body, 'sockets 2');
});

t.test('a metric with the wrong number of values, or of another kind, is a programming error', async (t) => {
  const { recorder } = createMetricsRegistry();
  t.throws(() => recorder.counter(requests, ['x']), /has 2 labels, got 1 values/);
  recorder.counter(requests, ['x', 'y']);
  t.throws(() => recorder.histogram({ ...requests, kind: 'histogram' }, ['x', 'y']), /is a counter, not a histogram/);
});
