import t from 'tap';
import { tcpCounters } from '../../../common/telemetry/tcp-reporter.ts';
import { ConnectionBalance, withFlag } from '../../../ztunnel/shards/living-connections.ts';

const { opened, closed, received } = tcpCounters(['reporter', 'response_flags', 'source_app']);

t.test('what was opened and not closed is left, whatever the flag it was closed with', (t) => {
  const balance = new ConnectionBalance();
  balance.counted(opened, ['source', '-', 'a'], 5);
  balance.counted(opened, ['source', '-', 'b'], 2);
  balance.counted(received, ['source', '-', 'a'], 1_000);
  balance.counted(closed, ['source', '-', 'a'], 1);
  balance.counted(closed, ['source', 'CONNECT', 'a'], 1);
  balance.counted(closed, ['source', 'DENY', 'b'], 2);
  const [living, ...more] = balance.living();
  t.same(more, []);
  t.match(living, { values: ['source', '-', 'a'], count: 3 });
  if (living !== undefined) t.same(withFlag(living, 'CONNECT'), ['source', 'CONNECT', 'a']);
  t.end();
});
