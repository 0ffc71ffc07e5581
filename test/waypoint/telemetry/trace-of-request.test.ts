// The trace of a request, by each of the header formats that Istio's users propagate.
import t from 'tap';
import { traceOf } from '../../../waypoint/telemetry/trace-of-request.ts';

const long = '0af7651916cd43dd8448eb211c80319c';
const short = 'a3ce929d0e0e4736';
const span = 'b7ad6b7169203331';
const zeros = '0'.repeat(32);

t.test('each format, sampled or not', async (t) => {
  const cases: readonly [readonly string[], object | undefined][] = [
    [['traceparent', `00-${long}-${span}-01`], { traceId: long, spanId: span, isSampled: true }],
    [['traceparent', `00-${long}-${span}-00`], { traceId: long, spanId: span, isSampled: false }],
    [['traceparent', `cc-${long}-${span}-01-later`], { traceId: long, spanId: span, isSampled: true }],
    [['b3', `${long}-${span}-1-${short}`], { traceId: long, spanId: span, isSampled: true }],
    [['b3', `${short}-${span}-d`], { traceId: short, spanId: span, isSampled: true }],
    [['b3', `${short}-${span}`], { traceId: short, spanId: span, isSampled: false }],
    [
      ['x-b3-traceid', long, 'x-b3-spanid', span, 'x-b3-sampled', '1'],
      { traceId: long, spanId: span, isSampled: true },
    ],
    [
      ['x-b3-traceid', short, 'x-b3-spanid', span, 'x-b3-flags', '1'],
      { traceId: short, spanId: span, isSampled: true },
    ],
    [['x-b3-traceid', short, 'x-b3-spanid', span], { traceId: short, spanId: span, isSampled: false }],
    [['traceparent', `00-${long}-${span}-01`, 'b3', `${short}-${span}-0`], { traceId: long }],
    [['traceparent', `00-${zeros}-${span}-01`], undefined],
    [['traceparent', `00-${long.toUpperCase()}-${span}-01`], undefined],
    [['traceparent', `00-${long}-${span}`], undefined],
    [['b3', '0'], undefined],
    [['x-b3-traceid', long], undefined],
    [['x-b3-traceid', 'no', 'x-b3-spanid', span], undefined],
    [[], undefined],
  ];
  for (const [headers, expected] of cases) {
    const found = traceOf(headers);
    if (expected === undefined) t.equal(found, undefined, headers.join());
    else t.match(found, expected, headers.join());
  }
});
