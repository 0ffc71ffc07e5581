import { spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { createCertificateAuthority } from '../../../common/identity/certificate-authority.ts';
import { readCertificateKey } from '../../../common/identity/certificate-key.ts';
import { maxRevocationFileBytes, readRevocationLists } from '../../../common/identity/crl-codec.ts';
import { isSignedBy } from '../../../common/identity/crl-signature.ts';
import { identityOf } from '../../../common/identity/identity.ts';
import { x509 } from '../../../common/identity/x509.ts';
import { createCrl, createCrlPem, createIntermediate } from '../../support/certificate-chains.ts';

const authority = await createCertificateAuthority({ trustDomain: 'cluster.local' });
const issuer = authority.rootPem;
const root = new X509Certificate(issuer.certificatePem);
const web = identityOf({ trustDomain: 'cluster.local', namespace: 'shop', serviceAccount: 'web' });
const [first, second] = [(await authority.issue(web)).chainPem, (await authority.issue(web)).chainPem];
const noOpenssl = spawnSync('openssl', ['version']).error ? 'openssl is not installed' : false;

function keyOf(pem: string) {
  return readCertificateKey(new X509Certificate(pem).raw);
}

/** One DER value. */
function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  if (content.length < 0x80) return Buffer.concat([Buffer.of(tag, content.length), content]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(content.length);
  return Buffer.concat([Buffer.of(tag, 0x84), length, content]);
}

const ecdsaSha256 = der(0x30, der(0x06, Buffer.from('2a8648ce3d040302', 'hex')));
const time = der(0x17, Buffer.from('260501120000Z'));
const name = der(0x30);

/** Not signed by anybody. */
function listOf(parts: {
  algorithm?: Buffer;
  outer?: Buffer;
  entries?: readonly Buffer[];
  extensions?: readonly Buffer[];
}) {
  const { algorithm = ecdsaSha256, outer = algorithm, entries = [], extensions } = parts;
  const revoked = entries.length === 0 ? [] : [der(0x30, ...entries)];
  const further = extensions === undefined ? [] : [der(0xa0, der(0x30, ...extensions))];
  const signedPart = der(0x30, der(0x02, Buffer.of(1)), algorithm, name, time, ...revoked, ...further);
  return der(0x30, signedPart, outer, der(0x03, Buffer.of(0, 1, 2, 3)));
}

function extension(oid: string, value: Buffer, critical = true): Buffer {
  return der(
    0x30,
    der(0x06, Buffer.from(oid, 'hex')),
    ...(critical ? [der(0x01, Buffer.of(0xff))] : []),
    der(0x04, value),
  );
}

t.test('PEM gives every list in it, and other blocks are skipped', async (t) => {
  const intermediate = await createIntermediate(issuer);
  const text = [
    await createCrlPem({ issuer, revoked: [first, second] }),
    issuer.certificatePem,
    await createCrlPem({ issuer: intermediate, revoked: [] }),
  ].join('# between\r\n');
  const lists = readRevocationLists(Buffer.from(text));
  t.equal(lists.length, 2);
  t.same(lists[0]?.serialNumbers, new Set([keyOf(first).serialNumber, keyOf(second).serialNumber]));
  t.equal(lists[0]?.issuer, keyOf(first).issuer);
  t.equal(lists[1]?.serialNumbers.size, 0);
});

t.test('DER gives its one list, whose signature is that of its issuer and of nobody else', async (t) => {
  const [list] = readRevocationLists(await createCrl({ issuer, revoked: [first] }));
  t.ok(list && isSignedBy(list, root));
  const stranger = await createCertificateAuthority({ trustDomain: 'cluster.local' });
  t.notOk(list && isSignedBy(list, new X509Certificate(stranger.rootsPem)), 'another root of the same name');
  t.notOk(list && isSignedBy({ ...list, signedPart: list.signedPart.toReversed() }, root), 'other bytes');
  t.notOk(list && isSignedBy(list, new X509Certificate(first)), 'another key');
});

t.test('an old list, and one without an end, are as good as others', async (t) => {
  const [list] = readRevocationLists(await createCrl({ issuer, revoked: [first], nextUpdate: new Date(0) }));
  t.equal(list?.serialNumbers.size, 1);
  t.equal(readRevocationLists(listOf({})).length, 1);
});

t.test('nothing, or no list, is no revocation', async (t) => {
  t.same(readRevocationLists(Buffer.alloc(0)), []);
  t.same(readRevocationLists(Buffer.from(' \n')), []);
  t.same(readRevocationLists(Buffer.from(issuer.certificatePem)), []);
});

t.test('what is no list is refused, and why', async (t) => {
  const good = await createCrl({ issuer, revoked: [first] });
  const pem = await createCrlPem({ issuer, revoked: [first] });
  const refused = (bytes: Buffer, message: RegExp): void =>
    void t.throws(() => readRevocationLists(bytes), { code: 'RESOURCE_INVALID', message });
  refused(Buffer.from('not a list'), /revocation list 1 of 1 cannot be used: the list is missing/);
  refused(root.raw, /cannot be used/);
  refused(Buffer.concat([good, Buffer.of(0)]), /more bytes follow/);
  refused(Buffer.from(pem.slice(0, -40)), /1 of 1 PEM blocks have no end/);
  refused(Buffer.from(pem + pem.replace('MII', 'MIA').replace('\nMI', '\nAA')), /revocation list 2 of 2/);
  refused(Buffer.alloc(maxRevocationFileBytes + 1, 0x30), /more than \d+ bytes/);
  refused(listOf({ outer: der(0x30, der(0x06, Buffer.from('2a8648ce3d040303', 'hex'))) }), /two signature algorithms/);
  refused(
    listOf({ algorithm: der(0x30, der(0x06, Buffer.from('2a864886f70d010105', 'hex'))) }),
    /1\.2\.840\.113549\.1\.1\.5/,
  );
});

t.test('a list that means something else than it seems is refused', async (t) => {
  const refused = (list: Buffer, message: RegExp): void => void t.throws(() => readRevocationLists(list), { message });
  refused(listOf({ extensions: [extension('551d1b', der(0x02, Buffer.of(1)))] }), /delta list/);
  refused(listOf({ extensions: [extension('551d1c', der(0x30, der(0x84, Buffer.of(0xff))))] }), /indirect/);
  refused(listOf({ extensions: [extension('2a0304', der(0x05))] }), /critical extension 1\.2\.3\.4/);
  const entry = der(0x30, der(0x02, Buffer.of(7)), time, der(0x30, extension('551d1d', der(0x30))));
  refused(listOf({ entries: [entry] }), /indirect/);
  const onlyUsers = extension('551d1c', der(0x30, der(0xa0, der(0xa0)), der(0x81, Buffer.of(0xff))));
  const extensions = [onlyUsers, extension('2a0304', der(0x05), false)];
  t.equal(readRevocationLists(listOf({ extensions })).length, 1, 'others are let be');
});

t.test('no cut and no changed byte does more than to be refused', async (t) => {
  const good = await createCrl({ issuer, revoked: [first, second] });
  for (let length = 1; length < good.length; length++) {
    t.throws(() => readRevocationLists(good.subarray(0, length)), { code: 'RESOURCE_INVALID' });
  }
  for (let at = 0; at < good.length; at++) {
    for (const byte of [0x00, 0x80, 0x84, 0xff]) {
      const changed = Buffer.from(good);
      changed[at] = byte;
      try {
        readRevocationLists(changed);
      } catch (error) {
        t.match(error, { code: 'RESOURCE_INVALID' });
      }
    }
  }
});

t.test('tens of thousands of certificates are read in a moment', async (t) => {
  const entries = Array.from({ length: 30_000 }, (_, number) => {
    const serialNumber = Buffer.alloc(16, 0x5a);
    serialNumber.writeUInt32BE(number, 12);
    return der(0x30, der(0x02, serialNumber), time);
  });
  const [list] = readRevocationLists(listOf({ entries }));
  t.equal(list?.serialNumbers.size, 30_000);
});

t.test('what OpenSSL writes, with an RSA key, is read', { skip: noOpenssl }, async (t) => {
  const folder = t.testdir({
    'ca.cnf':
      '[ca]\ndefault_ca=it\n[it]\ndatabase=index.txt\ndefault_md=sha384\ndefault_crl_days=1\ncrlnumber=number\ncrl_extensions=ext\n[ext]\nauthorityKeyIdentifier=keyid:always\n',
    'index.txt': 'R\t270101000000Z\t260101000000Z,keyCompromise\t00FE01\tunknown\t/CN=gone\n',
    number: '01\n',
  });
  const openssl = (...args: readonly string[]): void => {
    const { status, stderr } = spawnSync('openssl', args, { cwd: folder });
    if (status !== 0) throw new Error(String(stderr));
  };
  openssl(...'req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out root.pem -subj /O=rsa'.split(' '));
  openssl(...'ca -config ca.cnf -gencrl -keyfile key.pem -cert root.pem -out crl.pem'.split(' '));
  const [list] = readRevocationLists(readFileSync(join(folder, 'crl.pem')));
  t.same(list?.serialNumbers, new Set([Buffer.from('00fe01', 'hex').toString('latin1')]));
  t.same(list?.signatureAlgorithm, { key: 'rsa', hash: 'sha384' });
  t.ok(list && isSignedBy(list, new X509Certificate(readFileSync(join(folder, 'root.pem')))));
  writeFileSync(join(folder, 'ours.pem'), issuer.certificatePem);
  writeFileSync(join(folder, 'ours.crl'), await createCrlPem({ issuer, revoked: [first] }));
  openssl(...'crl -in ours.crl -CAfile ours.pem -noout'.split(' '));
});

t.test('a list of an authority without the right to sign lists is not believed', async (t) => {
  for (const [usages, expected] of [
    [x509.KeyUsageFlags.keyCertSign, false],
    [x509.KeyUsageFlags.cRLSign, true],
    [undefined, true],
  ] as const) {
    const extensions = usages === undefined ? [] : [new x509.KeyUsagesExtension(usages, true)];
    const intermediate = await createIntermediate(issuer, { extensions });
    const [list] = readRevocationLists(await createCrl({ issuer: intermediate, revoked: [first] }));
    t.equal(list && isSignedBy(list, new X509Certificate(intermediate.certificatePem)), expected);
  }
});
