import { X509Certificate } from 'node:crypto';
import t from 'tap';
import { identityOf } from '../../../common/identity/identity.ts';
import { createRoot } from '../../../common/identity/root-certificate.ts';
import { type RootSet, trustBundle } from '../../../common/identity/root-set.ts';
import { createSigningRequest } from '../../../common/identity/signing-request.ts';
import { createSigningAuthority } from '../../../deploy/controller/signing-authority.ts';

const startMs = Date.parse('2026-05-01T12:00:00Z');
const hourMs = 3_600_000;
const web = identityOf({ trustDomain: 'cluster.local', namespace: 'shop', serviceAccount: 'web' });
const { csrPem } = await createSigningRequest(web);
const [first, second] = [await createRoot('cluster.local', startMs), await createRoot('cluster.local', startMs)];
const spreading: RootSet = { kind: 'spreading', signing: first, next: second, sinceMs: startMs };
const retiring: RootSet = {
  kind: 'retiring',
  signing: second,
  previousPem: first.certificatePem,
  sinceMs: startMs,
};

t.test('nothing is signed before roots were read, nor long after', async (t) => {
  const { authority, pass } = setUp();
  await t.rejects(authority.signCsr(csrPem, web, 0), { code: 'IO_FAILED', message: /have not been read yet/ });
  await authority.adopt(spreading);
  pass(300_000);
  t.ok(await authority.signCsr(csrPem, web, 0));
  pass(1);
  await t.rejects(authority.signCsr(csrPem, web, 0), { code: 'IO_FAILED', message: /last read 300 s ago/ });
  await authority.adopt(spreading);
  t.ok(await authority.signCsr(csrPem, web, 0), 'until they are read again');
});

t.test('the signing root signs, and every trusted root comes with it', async (t) => {
  const { authority } = setUp();
  for (const set of [spreading, retiring]) {
    await authority.adopt(set);
    const [leaf = '', roots] = await authority.signCsr(csrPem, web, 0);
    t.ok(new X509Certificate(leaf).verify(new X509Certificate(set.signing.certificatePem).publicKey));
    t.equal(roots, trustBundle(set));
  }
});

t.test("the server's certificate", async (t) => {
  const { authority, pass } = setUp();
  await authority.adopt(spreading);
  const served = await authority.serverCertificate();
  t.equal(new X509Certificate(served.chainPem).subjectAltName, 'DNS:istiod.istio-system.svc', 'has the given names');
  t.equal(await authority.serverCertificate(), served, 'stays');
  pass(13 * hourMs);
  await authority.adopt(spreading);
  const renewed = await authority.serverCertificate();
  t.not(renewed, served, 'is renewed when half of its life is over');
  await authority.adopt(retiring);
  const followed = await authority.serverCertificate();
  t.not(followed, renewed, 'and when another root signs');
  t.ok(new X509Certificate(followed.chainPem).verify(new X509Certificate(second.certificatePem).publicKey));
});

t.test('roots that do not belong together are refused, those before stay', async (t) => {
  const { authority } = setUp();
  await authority.adopt(spreading);
  const mixed: RootSet = {
    kind: 'steady',
    signing: { keyPem: first.keyPem, certificatePem: second.certificatePem },
  };
  await t.rejects(authority.adopt(mixed), { code: 'CONFIG_INVALID', message: /private key is not the certificate's/ });
  t.ok(await authority.signCsr(csrPem, web, 0));
});

function setUp() {
  let nowMs = startMs;
  const authority = createSigningAuthority({
    trustDomain: 'cluster.local',
    lifetimeMs: 24 * hourMs,
    maxAgeMs: 300_000,
    serverNames: ['istiod.istio-system.svc'],
    now: () => nowMs,
  });
  return { authority, pass: (ms: number) => void (nowMs += ms) };
}
