import t from 'tap';
import { MeshError } from '../../../common/errors.ts';
import type { WorkloadCertificate } from '../../../common/identity/certificate.ts';
import { identityOf } from '../../../common/identity/identity.ts';
import { createRemoteCertificates } from '../../../ztunnel/shards/remote-certificates.ts';

const identity = identityOf({ trustDomain: 'cluster.local', namespace: 'default', serviceAccount: 'a' });
const hourMs = 3_600_000;

function certificate(text: string, notAfterMs = hourMs): WorkloadCertificate {
  return { identity, chainPem: text, privateKeyPem: text, rootsPem: 'roots', notBeforeMs: 0, notAfterMs };
}

/** Answers come when the test gives them. */
function start() {
  const asked: PromiseWithResolvers<WorkloadCertificate>[] = [];
  const clock = { nowMs: 0 };
  const source = createRemoteCertificates({
    ask: () => {
      const waiting = Promise.withResolvers<WorkloadCertificate>();
      asked.push(waiting);
      return waiting.promise;
    },
    now: () => clock.nowMs,
  });
  return { asked, clock, source };
}

t.test('who asks at the same time waits for one answer, which is kept', async (t) => {
  const { asked, source } = start();
  const both = [source.get(identity), source.get(identity)];
  asked[0]?.resolve(certificate('one'));
  const [first, second] = await Promise.all(both);
  t.equal(first, second);
  t.equal(await source.get(identity), first);
  t.equal(asked.length, 1);
  t.same(source.list(), [first]);
});

t.test('what is used is asked for again now and then, and used meanwhile', async (t) => {
  const { asked, clock, source } = start();
  const got = source.get(identity);
  asked[0]?.resolve(certificate('one'));
  const first = await got;
  clock.nowMs = 61_000;
  t.equal(await source.get(identity), first);
  t.equal(asked.length, 2);
  // As it comes from another thread: the same, but another object.
  asked[1]?.resolve(certificate('one'));
  await new Promise(setImmediate);
  t.equal(await source.get(identity), first, 'what is made of it is made once');
  clock.nowMs = 122_000;
  await source.get(identity);
  asked[2]?.resolve(certificate('two'));
  await new Promise(setImmediate);
  t.equal((await source.get(identity)).chainPem, 'two');
});

t.test('a refusal is told to who waits, and asked again; what is still valid stays', async (t) => {
  const { asked, clock, source } = start();
  const refused = source.get(identity);
  asked[0]?.reject(new MeshError('IDENTITY_UNAVAILABLE', 'no CA'));
  await t.rejects(refused, { code: 'IDENTITY_UNAVAILABLE' });
  const got = source.get(identity);
  asked[1]?.resolve(certificate('one'));
  const first = await got;
  clock.nowMs = 61_000;
  await source.get(identity);
  asked[2]?.reject(new MeshError('IDENTITY_UNAVAILABLE', 'no CA'));
  await new Promise(setImmediate);
  t.equal(await source.get(identity), first);
  clock.nowMs = hourMs;
  const expired = source.get(identity);
  asked.at(-1)?.reject(new MeshError('IDENTITY_UNAVAILABLE', 'no CA'));
  await t.rejects(expired, { code: 'IDENTITY_UNAVAILABLE' });
});
