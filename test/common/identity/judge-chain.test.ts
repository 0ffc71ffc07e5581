import { X509Certificate } from 'node:crypto';
import t from 'tap';
import { createCertificateAuthority } from '../../../common/identity/certificate-authority.ts';
import { splitCertificates } from '../../../common/identity/certificate-facts.ts';
import { readRevocationLists } from '../../../common/identity/crl-codec.ts';
import { isSignedBy } from '../../../common/identity/crl-signature.ts';
import { identityOf } from '../../../common/identity/identity.ts';
import { judgeChain } from '../../../common/identity/judge-chain.ts';
import { type CrlFacts, createCrl, createIntermediate, issueBelow } from '../../support/certificate-chains.ts';

const authority = await createCertificateAuthority({ trustDomain: 'cluster.local' });
const root = authority.rootPem;
const intermediate = await createIntermediate(root);
const web = identityOf({ trustDomain: 'cluster.local', namespace: 'shop', serviceAccount: 'web' });
const direct = (await authority.issue(web)).chainPem;
const below = (await issueBelow(intermediate, authority.rootsPem, web)).chainPem;

function dersOf(pem: string): readonly Buffer[] {
  return splitCertificates(pem).map((each) => new X509Certificate(each).raw);
}

async function judge(chainPem: string, rootsPem: string, ...lists: readonly CrlFacts[]) {
  const read = await Promise.all(lists.map(async (facts) => readRevocationLists(await createCrl(facts))));
  const roots = splitCertificates(rootsPem).map((each) => new X509Certificate(each));
  return judgeChain({ shown: dersOf(chainPem), roots }, read.flat(), isSignedBy);
}

t.test('a certificate that its issuer has revoked is revoked, and named', async (t) => {
  t.same(await judge(direct, root.certificatePem, { issuer: root, revoked: [direct] }), {
    kind: 'revoked',
    serialNumber: new X509Certificate(direct).serialNumber,
    issuer: 'O=cluster.local',
  });
  t.match(await judge(below, root.certificatePem, { issuer: intermediate, revoked: [below] }), { kind: 'revoked' });
});

t.test('what no list tells of is good', async (t) => {
  const other = (await authority.issue(web)).chainPem;
  t.same(await judge(direct, root.certificatePem), { kind: 'good' });
  t.same(await judge(direct, root.certificatePem, { issuer: root, revoked: [] }), { kind: 'good' });
  t.same(await judge(direct, root.certificatePem, { issuer: root, revoked: [other] }), { kind: 'good' });
});

t.test('a list that has expired still counts', async (t) => {
  const old = { issuer: root, revoked: [direct], nextUpdate: new Date(0) };
  t.match(await judge(direct, root.certificatePem, old), { kind: 'revoked' });
});

t.test('a revoked intermediate revokes what is below it, in whichever order it is shown', async (t) => {
  const list = { issuer: root, revoked: [intermediate.certificatePem] };
  const { serialNumber } = new X509Certificate(intermediate.certificatePem);
  t.match(await judge(below, root.certificatePem, list), { kind: 'revoked', serialNumber });
  t.match(await judge(below + root.certificatePem, root.certificatePem, list), { kind: 'revoked' });
  const [leaf = ''] = splitCertificates(below);
  t.match(await judge(leaf + direct + intermediate.certificatePem, root.certificatePem, list), { kind: 'revoked' });
  t.same(await judge(direct, root.certificatePem, list), { kind: 'good' }, 'and nothing beside it');
});

t.test('a list counts for the certificates of its issuer only, and signed by it only', async (t) => {
  t.same(await judge(below, root.certificatePem, { issuer: root, revoked: [below] }), { kind: 'good' }, 'of the root');
  const forged = { issuer: intermediate, named: root, revoked: [direct] };
  t.same(await judge(direct, root.certificatePem, forged), { kind: 'good' }, 'by another key');
  const namesake = await createCertificateAuthority({ trustDomain: 'cluster.local' });
  const ofNamesake = { issuer: namesake.rootPem, revoked: [direct] };
  t.same(await judge(direct, root.certificatePem, ofNamesake), { kind: 'good' }, 'by a root of the same name');
  const bundle = namesake.rootsPem + root.certificatePem;
  t.same(await judge(direct, bundle, ofNamesake), { kind: 'good' }, 'even one that is trusted');
  t.match(await judge(direct, bundle, ofNamesake, { issuer: root, revoked: [direct] }), { kind: 'revoked' });
});

t.test('a way around a revoked intermediate keeps the peer', async (t) => {
  const otherRoot = await createCertificateAuthority({ trustDomain: 'cluster.local' });
  // The same intermediate, certified by two roots.
  const crossed = await createIntermediate(otherRoot.rootPem, { organization: 'crossed' });
  const chain = (await issueBelow(crossed, '', web)).chainPem;
  const again = (await createIntermediate(root, { like: crossed })).certificatePem;
  const roots = root.certificatePem + otherRoot.rootsPem;
  const list = { issuer: otherRoot.rootPem, revoked: [crossed.certificatePem] };
  t.match(await judge(chain, roots, list), { kind: 'revoked' });
  t.same(await judge(chain + again, roots, list), { kind: 'good' });
  t.match(
    await judge(chain + again, otherRoot.rootsPem, list),
    { kind: 'revoked' },
    'which must lead to a trusted root',
  );
});

t.test('a chain that leads to no root is unknown', async (t) => {
  const [leaf = ''] = splitCertificates(below);
  const list = { issuer: intermediate, revoked: [leaf] };
  t.same(await judge(leaf, root.certificatePem, list), { kind: 'unknown' });
});
