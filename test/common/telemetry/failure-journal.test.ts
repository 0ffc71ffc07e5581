// Every failed connection is accounted for once: in a line of its own or in a summary, and always in the counter.
import t, { type Test } from 'tap';
import { MeshError, type MeshErrorCode } from '../../../common/errors.ts';
import { createFailureJournal } from '../../../common/telemetry/failure-journal.ts';
import { FailureLimit } from '../../../common/telemetry/failure-limit.ts';
import { createMetricsRegistry } from '../../../common/telemetry/metrics-registry.ts';
import { collectLines } from '../../support/collected-lines.ts';

t.test('each listener and code has so many lines a second, and the next second as many again', async (t) => {
  const limit = new FailureLimit(2);
  const answers = (nowMs: number, listener: string, code: MeshErrorCode) =>
    [1, 2, 3].map(() => limit.admit(listener, code, nowMs));
  const twoShown = ['shown', 'shown', 'counted'];
  t.same(answers(5_000, 'inbound', 'TLS_FAILED'), twoShown);
  t.same(answers(5_999, 'inbound', 'SELF_CALL'), twoShown, 'another code');
  t.same(answers(5_999, 'outbound', 'TLS_FAILED'), twoShown, 'another listener');
  t.equal(limit.admit('inbound', 'TLS_FAILED', 5_999), 'counted');
  t.same(answers(6_000, 'inbound', 'TLS_FAILED'), twoShown, 'the next second');
  t.same(limit.takeSummaries(), [
    {
      listener: 'inbound',
      count: 4,
      codes: [
        ['TLS_FAILED', 3],
        ['SELF_CALL', 1],
      ],
    },
    { listener: 'outbound', count: 1, codes: [['TLS_FAILED', 1]] },
  ]);
  t.same(limit.takeSummaries(), [], 'each failure is told of once');
});

t.test('with a limit of 0 each has its line', async (t) => {
  const limit = new FailureLimit(0);
  for (let failure = 0; failure < 1_000; failure += 1) t.equal(limit.admit('inbound', 'TLS_FAILED', 0), 'shown');
  t.same(limit.takeSummaries(), []);
});

function setUp(t: Test, linesPerSecond: number) {
  const { log, lines } = collectLines();
  const metrics = createMetricsRegistry();
  const journal = createFailureJournal({ recorder: metrics.recorder, lines: log, linesPerSecond, now: () => 0 });
  t.teardown(() => journal.close());
  const counted = async (): Promise<string[]> => {
    const { body } = await metrics.exposition(undefined);
    return body.split('\n').filter((line) => line.startsWith('ambientd_connection_failures_total{'));
  };
  return { journal, lines, counted };
}

t.test('a flood of refusals is a few lines and one summary, while the counter is exact', async (t) => {
  const { journal, lines, counted } = setUp(t, 10);
  let shown = 0;
  for (let peer = 0; peer < 10_000; peer += 1) {
    const error = new MeshError('TLS_FAILED', `no handshake with ${peer}`);
    if (journal.count('inbound', error) === 'shown') shown += 1;
  }
  t.equal(journal.count('inbound', new Error('unforeseen')), 'shown');
  t.equal(shown, 10);
  while (lines.length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
  t.same(lines, [
    {
      level: 'warn',
      scope: 'access',
      message: 'further connections failed',
      listener: 'inbound',
      count: 9_990,
      codes: 'TLS_FAILED=9990',
    },
  ]);
  t.same(await counted(), [
    'ambientd_connection_failures_total{listener="inbound",code="TLS_FAILED"} 10000',
    'ambientd_connection_failures_total{listener="inbound",code="INTERNAL"} 1',
  ]);
});

t.test('what was not told of yet is told at the end', async (t) => {
  const { journal, lines } = setUp(t, 1);
  for (let failure = 0; failure < 3; failure += 1) journal.count('outbound', new MeshError('NO_ROUTE', 'none'));
  t.same(lines, []);
  journal.close();
  t.match(lines, [{ listener: 'outbound', count: 2, codes: 'NO_ROUTE=2' }]);
});
