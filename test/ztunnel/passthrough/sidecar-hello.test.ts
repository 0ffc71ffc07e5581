// Which connections are a sidecar's to end here, and how long a silent one may still become one.
import t from 'tap';
import { judgeSilence, readArrival, type SilenceFacts } from '../../../ztunnel/passthrough/sidecar-hello.ts';
import { helloOf } from '../../support/client-hello.ts';
import { aService, aWorkload, meshOf } from '../../support/mesh-objects.ts';

const key = 'default/web.default.svc.cluster.local';
const workload = aWorkload({ name: 'web-1', addresses: ['10.0.0.2'], services: { [key]: [] } });
const mesh = meshOf({ workloads: [workload], services: [aService({ name: 'web' }), aService({ name: 'behind' })] });
const facts = { workload, mesh };
const istio = ['istio-peer-exchange', 'istio'];
const own = 'outbound_.80_._.web.default.svc.cluster.local';

t.test('a sidecar is known by its protocols, and says which service it means', async (t) => {
  const hello = await helloOf({ servername: own, ALPNProtocols: istio });
  t.same(readArrival(hello, facts), { kind: 'sidecar', host: 'web.default.svc.cluster.local' });
  t.equal(readArrival(hello.subarray(0, 100), facts), 'more');
  const nameless = await helloOf({ ALPNProtocols: ['istio-http/1.1', 'istio', 'http/1.1'] });
  t.same(readArrival(nameless, facts), { kind: 'sidecar', host: undefined });
  const unheardOf = await helloOf({ servername: own.replace('web', 'abroad'), ALPNProtocols: istio });
  t.match(readArrival(unheardOf, facts), { kind: 'sidecar' });
});

t.test('everything else is left to the application', async (t) => {
  for (const protocols of [['h2', 'http/1.1'], ['http/1.1'], undefined]) {
    const hello = await helloOf({ servername: own, ...(protocols && { ALPNProtocols: protocols }) });
    t.same(readArrival(hello, facts), { kind: 'plain' }, protocols?.join() ?? 'no ALPN');
  }
  t.same(readArrival(Buffer.from('GET / HTTP/1.1'), facts), { kind: 'plain' });
});

t.test('so is what a sidecar means for a service that stands behind the pod', async (t) => {
  const hello = await helloOf({ servername: own.replace('web', 'behind'), ALPNProtocols: istio });
  t.same(readArrival(hello, facts), { kind: 'plain' });
});

t.test('silence is soon taken for plain text, unless a sidecar is likely or there is nothing to lose', async (t) => {
  const plain = { silences: 1, begun: false, plainIs: 'admitted', caller: undefined } as const;
  const patience = (given: Partial<SilenceFacts>): number => {
    for (let silences = 1; ; silences += 1) {
      if (judgeSilence({ ...plain, ...given, silences }) !== 'later') return silences;
    }
  };
  t.equal(patience({}), 1);
  t.equal(patience({ caller: aWorkload({ name: 'ambient' }) }), 1);
  t.equal(patience({ caller: aWorkload({ name: 'plain', tunnelProtocol: 'none' }) }), 1);
  t.equal(patience({ caller: aWorkload({ name: 'sidecar', tunnelProtocol: 'istio-mtls' }) }), 10);
  t.equal(patience({ caller: aWorkload({ name: 'both', nativeTunnel: true }) }), 10);
  t.equal(patience({ plainIs: 'refused' }), 100);
  t.equal(patience({ begun: true }), 100, 'half a hello');
});
