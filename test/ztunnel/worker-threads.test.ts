import t from 'tap';
import { createEnvReader } from '../../common/config/env-reader.ts';
import { readWorkerThreads } from '../../ztunnel/worker-threads.ts';

function threads(env: Record<string, string>, concurrency?: number) {
  const read = createEnvReader(env);
  const count = readWorkerThreads(read, concurrency, 6);
  return read.problems.length === 0 ? count : read.problems;
}

t.test('threads are a number, a part of the processors, or all of them', (t) => {
  t.equal(threads({}), 1);
  t.equal(threads({ ZTUNNEL_WORKER_THREADS: '3' }), 3);
  t.equal(threads({ ZTUNNEL_WORKER_THREADS: '0' }), 6);
  t.equal(threads({ ZTUNNEL_WORKER_THREADS: '25%' }), 2, 'rounded up');
  t.equal(threads({ ZTUNNEL_WORKER_THREADS: '0%' }), 1);
  t.equal(threads({ ZTUNNEL_WORKER_THREADS: '50%', ZTUNNEL_CPU_LIMIT: '4' }), 2);
  t.equal(threads({}, 2), 2, 'concurrency of ProxyConfig');
  t.equal(threads({ ZTUNNEL_WORKER_THREADS: '1' }, 2), 1, 'which the variable overrides');
  t.end();
});

t.test('what is neither is a problem that says what is expected', (t) => {
  for (const text of ['two', '-1', '1.5', '99999', '5 %']) {
    t.match(threads({ ZTUNNEL_WORKER_THREADS: text }), [
      `invalid env var ZTUNNEL_WORKER_THREADS=${text}: expected a number (0: one for each processor) or a part such as 50%`,
    ]);
  }
  t.end();
});
