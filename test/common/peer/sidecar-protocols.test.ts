import t from 'tap';
import { hostOfServerName, isOfSidecar } from '../../../common/peer/sidecar-protocols.ts';

t.test('a sidecar is known by what it offers, whatever its application speaks', async (t) => {
  for (const protocols of [
    ['istio-peer-exchange', 'istio'],
    ['istio-peer-exchange', 'istio', 'h2'],
    ['istio'],
    ['istio-http/1.1', 'istio', 'http/1.1'],
    ['istio-h2', 'istio', 'h2'],
  ]) {
    t.equal(isOfSidecar(protocols), true, protocols.join());
  }
  for (const protocols of [[], ['h2', 'http/1.1'], ['istio2'], ['ISTIO']]) {
    t.equal(isOfSidecar(protocols), false, protocols.join());
  }
});

t.test('the service that a sidecar means stands in the server name', async (t) => {
  t.equal(hostOfServerName('outbound_.9080_._.ratings.default.svc.cluster.local'), 'ratings.default.svc.cluster.local');
  t.equal(hostOfServerName('outbound_.80_.v1-x_.a.example'), 'a.example');
  for (const name of [undefined, '', 'a.example', 'outbound_.x_._.a.example', 'outbound_.80_._.']) {
    t.equal(hostOfServerName(name), undefined, String(name));
  }
});
