import t from 'tap';
import { type Baggage, formatBaggage, parseBaggage } from '../../../common/hbone/baggage.ts';
import { formatForwarded, forwardedHost } from '../../../common/hbone/forwarded.ts';
import { formatTraceparent, traceparentOf } from '../../../common/hbone/traceparent.ts';
import { parseSocketAddress } from '../../../common/net/address.ts';

const baggage: Baggage = {
  clusterId: 'Kubernetes',
  namespace: 'default',
  workloadType: 'deployment',
  workloadName: 'sleep',
  canonicalName: 'sleep',
  canonicalRevision: 'v1',
  region: 'eu',
  zone: 'eu-1',
};
const baggageText =
  'k8s.cluster.name=Kubernetes,k8s.namespace.name=default,k8s.deployment.name=sleep,service.name=sleep,' +
  'service.version=v1,cloud.region=eu,cloud.availability_zone=eu-1';

t.test('baggage is written in the order of ztunnel, without what is absent', async (t) => {
  t.equal(formatBaggage(baggage), baggageText);
  const text = formatBaggage({ ...baggage, workloadType: 'job', canonicalRevision: '', region: '', zone: '' });
  t.equal(text, 'k8s.cluster.name=Kubernetes,k8s.namespace.name=default,k8s.job.name=sleep,service.name=sleep');
});

t.test('baggage is read from all of its lines; unknown keys are skipped, the last of a key counts', async (t) => {
  t.same(parseBaggage([baggageText]), baggage);
  const lines = ['k8s.namespace.name=a,else=x', 'k8s.namespace.name=b, k8s.cronjob.name=tick ,novalue'];
  t.match(parseBaggage(lines), { namespace: 'b', workloadType: 'cronjob', workloadName: 'tick', clusterId: '' });
  t.match(parseBaggage([]), { namespace: '', workloadName: '' });
});

t.test('baggage of a thousand members is read up to a bound', async (t) => {
  const text = `${'x=y,'.repeat(1000)}k8s.namespace.name=late`;
  t.equal(parseBaggage([text]).namespace, '');
});

t.test('forwarded names who dialled and the service that was meant', async (t) => {
  const [v4, v6] = [parseSocketAddress('10.0.0.1:80'), parseSocketAddress('[::1]:80')];
  if (!v4 || !v6) throw new Error('no address');
  t.equal(formatForwarded(v4, undefined), 'for="10.0.0.1:80"');
  t.equal(formatForwarded(v6, 'a.b.svc'), 'for="[::1]:80";host=a.b.svc');
});

const forwardedLines: [line: string | undefined, host: string | undefined][] = [
  ['for="10.0.0.1:80";host=a.b', 'a.b'],
  ['for="10.0.0.1:80"; host="a.b"', 'a.b'],
  ['host=first;host=second', 'first'],
  ['for="10.0.0.1:80"', undefined],
  ['host=""', undefined],
  ['host=a\u00e9', undefined],
  [undefined, undefined],
];
for (const [line, host] of forwardedLines) {
  t.test(`the forwarded host of ${line} is ${host}`, async (t) => t.equal(forwardedHost(line), host));
}

t.test('a traceparent is written as W3C has it', async (t) => {
  const traceparent = traceparentOf(Buffer.from(Array.from({ length: 24 }, (_, index) => index)));
  const text = formatTraceparent(traceparent);
  t.equal(text, '00-000102030405060708090a0b0c0d0e0f-1011121314151617-00');
});
