import { execFileSync, spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { createCertificateAuthority } from '../../../common/identity/certificate-authority.ts';
import { readCertificate } from '../../../common/identity/certificate-facts.ts';
import { identityOf } from '../../../common/identity/identity.ts';
import { createSigningRequest } from '../../../common/identity/signing-request.ts';

const client = identityOf({ trustDomain: 'cluster.local', namespace: 'shop', serviceAccount: 'client' });
const nowMs = Date.parse('2026-05-01T12:00:00Z');
const noOpenssl = spawnSync('openssl', ['version']).error ? 'openssl is not installed' : false;

t.test('the root', async (t) => {
  const authority = await createCertificateAuthority({ trustDomain: 'cluster.local', now: () => nowMs });
  const root = new X509Certificate(authority.rootsPem);
  t.equal(root.ca, true, 'is a CA');
  t.ok(root.verify(root.publicKey), 'is signed by itself');
  t.equal(root.subject, 'O=cluster.local', 'is named after the trust domain');
  const other = await createCertificateAuthority({ trustDomain: 'cluster.local' });
  t.not(other.rootsPem, authority.rootsPem, 'is made fresh each time');
});

t.test('an issued workload certificate', async (t) => {
  const authority = await createCertificateAuthority({ trustDomain: 'cluster.local', now: () => nowMs });
  const issued = await authority.issue(client);
  const leaf = new X509Certificate(issued.chainPem);
  t.equal(leaf.subjectAltName, `URI:${client.uri}`, 'carries the identity as its only name');
  t.equal(leaf.subject, undefined, 'has an empty subject');
  t.equal(leaf.ca, false, 'is no CA');
  t.same(leaf.keyUsage, ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'], 'serves both ends of a connection');
  t.equal(issued.notAfterMs, nowMs + 86_400_000, 'is valid for 24 hours');
  t.equal(issued.notBeforeMs, nowMs - 120_000, 'began two minutes ago, for clocks that are late');
  t.ok(leaf.verify(new X509Certificate(authority.rootsPem).publicKey), 'is signed by the root');
  t.equal(issued.rootsPem, authority.rootsPem, 'comes with the root');
  t.match(issued.privateKeyPem, /^-----BEGIN PRIVATE KEY-----\n/, 'has a PKCS#8 key');
  const again = await authority.issue(client);
  t.not(again.privateKeyPem, issued.privateKeyPem, 'never shares a key with another');
  t.not(readCertificate(again.chainPem).serialNumber, readCertificate(issued.chainPem).serialNumber);
});

t.test('an identity of another trust domain is refused', async (t) => {
  const authority = await createCertificateAuthority({ trustDomain: 'cluster.local' });
  const foreign = identityOf({ trustDomain: 'elsewhere', namespace: 'shop', serviceAccount: 'client' });
  await t.rejects(authority.issue(foreign), {
    code: 'IDENTITY_UNAVAILABLE',
    message: /elsewhere.*cluster\.local only/,
  });
});

t.test('a signing request', async (t) => {
  const authority = await createCertificateAuthority({ trustDomain: 'cluster.local', now: () => nowMs });
  const { csrPem } = await createSigningRequest(client);

  t.test('gets a leaf and the root, for the identity granted and not for the names it asks', async (t) => {
    const granted = identityOf({ trustDomain: 'cluster.local', namespace: 'shop', serviceAccount: 'other' });
    const [leaf = '', root, ...rest] = await authority.signCsr(csrPem, granted, 3600);
    t.same(readCertificate(leaf).uris, [granted.uri]);
    t.equal(readCertificate(leaf).notAfterMs, nowMs + 3_600_000);
    t.equal(root, authority.rootsPem);
    t.equal(rest.length, 0);
  });
  t.test('gets no more than the lifetime of the CA', async (t) => {
    const [leaf = ''] = await authority.signCsr(csrPem, client, 1e9);
    t.equal(readCertificate(leaf).notAfterMs, nowMs + 86_400_000);
  });
  t.test('gets the lifetime of the CA when it names none', async (t) => {
    const [leaf = ''] = await authority.signCsr(csrPem, client, 0);
    t.equal(readCertificate(leaf).notAfterMs, nowMs + 86_400_000);
  });
  t.test('is refused with the reason when it is damaged', async (t) => {
    const refused = (text: string) => authority.signCsr(text, client, 0);
    await t.rejects(refused('hello'), { code: 'RESOURCE_INVALID', message: /no PEM/ });
    await t.rejects(refused('-----BEGIN CERTIFICATE REQUEST-----\nMIIB\n-----END CERTIFICATE REQUEST-----\n'), {
      code: 'RESOURCE_INVALID',
      message: /no PKCS#10/,
    });
    await t.rejects(refused(csrPem.padEnd(16_385)), { code: 'RESOURCE_INVALID', message: /16385 bytes/ });
  });
  t.test('is refused when another key signed it', async (t) => {
    await t.rejects(authority.signCsr(withBrokenSignature(csrPem), client, 0), {
      code: 'RESOURCE_INVALID',
      message: /signature/,
    });
  });
});

t.test('a kept root goes on issuing after a restart', async (t) => {
  const before = await createCertificateAuthority({ trustDomain: 'cluster.local' });
  const after = await createCertificateAuthority({ trustDomain: 'cluster.local', restored: before.rootPem });
  t.equal(after.rootsPem, before.rootsPem);
  const leaf = new X509Certificate((await after.issue(client)).chainPem);
  t.ok(leaf.verify(new X509Certificate(before.rootsPem).publicKey));

  const stranger = await createCertificateAuthority({ trustDomain: 'cluster.local' });
  const refused = (restored: typeof before.rootPem, now = Date.now) =>
    createCertificateAuthority({ trustDomain: 'cluster.local', restored, now });
  await t.rejects(refused({ ...before.rootPem, keyPem: stranger.rootPem.keyPem }), {
    code: 'CONFIG_INVALID',
    message: /not the certificate's/,
  });
  await t.rejects(refused({ ...before.rootPem, keyPem: 'x' }), { code: 'CONFIG_INVALID', message: /PKCS#8/ });
  await t.rejects(
    refused(before.rootPem, () => Date.now() + 1e12),
    { code: 'CONFIG_INVALID', message: /expired/ },
  );
  const issued = await before.issue(client);
  await t.rejects(refused({ keyPem: issued.privateKeyPem, certificatePem: issued.chainPem }), {
    code: 'CONFIG_INVALID',
    message: /no CA/,
  });
});

t.test('openssl accepts the chains', { skip: noOpenssl }, async (t) => {
  const authority = await createCertificateAuthority({ trustDomain: 'cluster.local' });
  const folder = t.testdir();
  const file = (name: string, text: string) => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const root = file('root.pem', authority.rootsPem);
  const leaf = file('leaf.pem', (await authority.issue(client)).chainPem);
  for (const purpose of ['sslserver', 'sslclient']) {
    const out = execFileSync('openssl', ['verify', '-x509_strict', '-purpose', purpose, '-CAfile', root, leaf]);
    t.match(out.toString(), /leaf\.pem: OK/, purpose);
  }
  const text = execFileSync('openssl', ['x509', '-in', leaf, '-noout', '-text']).toString();
  t.match(text, /Subject Alternative Name: critical\s+URI:spiffe:\/\/cluster\.local\/ns\/shop\/sa\/client/);
  const server = file('server.pem', (await authority.issueServerCertificate(['istiod.local', '127.0.0.1'])).chainPem);
  t.match(
    execFileSync('openssl', [
      'verify',
      '-x509_strict',
      '-CAfile',
      root,
      '-verify_hostname',
      'istiod.local',
      server,
    ]).toString(),
    /OK/,
  );
  t.match(
    execFileSync('openssl', ['verify', '-x509_strict', '-CAfile', root, '-verify_ip', '127.0.0.1', server]).toString(),
    /OK/,
  );
  const csr = file('request.pem', (await createSigningRequest(client)).csrPem);
  const request = execFileSync('openssl', ['req', '-in', csr, '-noout', '-text', '-verify'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  }).toString();
  t.match(request, /Subject:\s*\n/, 'a request has an empty subject');
  t.match(request, /Subject Alternative Name: critical\s+URI:spiffe:/, 'and one critical name');
});

/** Flips a bit in the last byte, which belongs to the signature. */
function withBrokenSignature(csrPem: string): string {
  const der = Buffer.from(csrPem.replace(/-----[A-Z ]+-----|\s/g, ''), 'base64');
  der[der.length - 1] = (der[der.length - 1] ?? 0) ^ 1;
  const body = der.toString('base64').replace(/.{64}/g, '$&\n');
  return `-----BEGIN CERTIFICATE REQUEST-----\n${body}\n-----END CERTIFICATE REQUEST-----\n`;
}
