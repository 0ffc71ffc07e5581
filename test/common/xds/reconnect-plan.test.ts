// When the next stream is tried, by how the last one ended.
import t from 'tap';
import { planReconnect, type StreamEnd, understandStatus } from '../../../common/xds/reconnect-plan.ts';

const end = (kind: StreamEnd['kind']): StreamEnd => ({ kind, reason: '' });

t.test('failures double the delay up to 15 s, counted under their reason', async (t) => {
  let delayMs = 0;
  const delays: number[] = [];
  for (let tries = 0; tries < 12; tries++) {
    const plan = planReconnect(end('unreachable'), 5_000, delayMs, 0);
    t.equal(plan.reason, 'ConnectionError');
    delays.push((delayMs = plan.delayMs));
  }
  t.same(delays, [20, 40, 80, 160, 320, 640, 1280, 2560, 5120, 10_240, 15_000, 15_000]);
  t.same(planReconnect(end('failed'), 10, 640, 0), { reason: 'Error', delayMs: 1280 });
  t.equal(planReconnect(end('failed'), 10, 640, 1).delayMs, 1024, 'a fleet does not come back as one');
});

t.test('a good stream that ends as servers end streams is opened again at once', async (t) => {
  t.same(planReconnect(end('expected'), 60_000, 15_000, 0), { reason: 'Reconnect', delayMs: 10 });
  t.same(planReconnect(end('complete'), 60_000, 15_000, 0), { reason: 'Complete', delayMs: 10 });
  t.equal(planReconnect(end('failed'), 60_000, 15_000, 0).delayMs, 20, 'and a late failure begins anew');
});

t.test('a server that ends every stream at once is not asked in a loop', async (t) => {
  t.equal(planReconnect(end('complete'), 5, 5_000, 0).delayMs, 10_000);
});

t.test('what a server says when it goes away is expected, the rest is a failure', async (t) => {
  t.equal(understandStatus(14, 'Connection dropped'), 'expected');
  t.equal(understandStatus(14, 'transport is closing'), 'expected');
  t.equal(understandStatus(14, 'no healthy upstream'), 'failed');
  t.equal(understandStatus(4, ''), 'expected');
  t.equal(understandStatus(16, 'authentication failure'), 'failed');
});
