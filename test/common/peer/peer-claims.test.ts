// What is believed of a peer's words and what becomes of the rest: a line in the log, up to so many a second, and one count each.
import t from 'tap';
import { identityOf } from '../../../common/identity/identity.ts';
import { createPeerClaims } from '../../../common/peer/peer-claims.ts';
import { createMetricsRegistry } from '../../../common/telemetry/metrics-registry.ts';
import { collectLog } from '../../support/collected-log.ts';
import { endAt } from '../../support/mesh-objects.ts';
import { ratingsPeer } from '../../support/peer-frames.ts';

const ratings = identityOf({ trustDomain: 'cluster.local', namespace: 'default', serviceAccount: 'ratings' });
const thief = identityOf({ trustDomain: 'cluster.local', namespace: 'dungeon', serviceAccount: 'thief' });
const address = endAt('10.0.0.7:4000');

t.test('what agrees with the certificate may be used; what does not is dropped, said and counted', async (t) => {
  const metrics = createMetricsRegistry();
  const log = collectLog();
  const claims = createPeerClaims({ recorder: metrics.recorder, log: log.log });
  const { metadata } = ratingsPeer;
  t.same(claims.judge('baggage', metadata, { address, identity: ratings }), metadata);
  t.same(claims.judgeExchange({ kind: 'told', peer: ratingsPeer }, { address, identity: ratings }), metadata);
  t.equal(claims.judgeExchange({ kind: 'told', peer: ratingsPeer }, { address, identity: thief }), undefined);
  t.equal(claims.judgeExchange({ kind: 'not-told', reason: 'late' }, { address, identity: ratings }), undefined);
  t.match(log.lines, [
    {
      level: 'warn',
      msg: 'peer metadata is not believed',
      'peer.addr': '10.0.0.7:4000',
      'peer.identity': 'spiffe://cluster.local/ns/dungeon/sa/thief',
      carrier: 'istio-peer-exchange',
      error: 'the peer says that its namespace is "default", its certificate says "dungeon"',
    },
  ]);
  const { body } = await metrics.exposition(undefined);
  t.same(
    body.split('\n').filter((line) => line.startsWith('ambientd_peer_metadata_total{')),
    [
      'ambientd_peer_metadata_total{carrier="baggage",outcome="believed"} 1',
      'ambientd_peer_metadata_total{carrier="istio-peer-exchange",outcome="believed"} 1',
      'ambientd_peer_metadata_total{carrier="istio-peer-exchange",outcome="contradicts"} 1',
      'ambientd_peer_metadata_total{carrier="istio-peer-exchange",outcome="late"} 1',
    ],
  );
});

t.test('a peer that tells untruths without end does not roll the log, and is counted each time', async (t) => {
  const metrics = createMetricsRegistry();
  const log = collectLog();
  const claims = createPeerClaims({ recorder: metrics.recorder, log: log.log });
  const startedMs = performance.now();
  for (let told = 0; told < 500; told++) claims.judge('headers', ratingsPeer.metadata, { address, identity: thief });
  const seconds = Math.ceil((performance.now() - startedMs) / 1_000) + 1;
  t.ok(log.lines.length >= 10 && log.lines.length <= 10 * seconds, `${log.lines.length} lines in ${seconds} s`);
  const { body } = await metrics.exposition(undefined);
  t.match(body, 'ambientd_peer_metadata_total{carrier="headers",outcome="contradicts"} 500');
});
