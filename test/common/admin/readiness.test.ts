import t from 'tap';
import { createReadiness, readinessRoutes } from '../../../common/admin/readiness.ts';

t.test('a daemon is ready when its tasks are done, and not again when one comes back', async (t) => {
  const readiness = createReadiness(['proxy', 'state manager']);
  const [route] = readinessRoutes(readiness);
  const ask = () => route?.handle({ method: 'GET', path: '/healthz/ready', query: new URLSearchParams(), headers: {} });
  t.match(route, { method: 'GET', path: '/healthz/ready' });
  t.same(await ask(), { status: 500, body: 'not ready, pending: proxy, state manager\n' });
  readiness.done('state manager');
  t.same(await ask(), { status: 500, body: 'not ready, pending: proxy\n' });
  readiness.done('proxy');
  t.same(await ask(), { status: 200, body: 'ready\n' });
  readiness.pend('workload proxy manager');
  t.same(await ask(), { status: 500, body: 'not ready, pending: workload proxy manager\n' });
  t.same(readiness.pending(), ['workload proxy manager']);
});
