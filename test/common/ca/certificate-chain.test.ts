import t from 'tap';
import { readChain } from '../../../common/ca/certificate-chain.ts';
import { createCertificateAuthority } from '../../../common/identity/certificate-authority.ts';
import { splitCertificates } from '../../../common/identity/certificate-facts.ts';
import { identityOf } from '../../../common/identity/identity.ts';
import { createSigningRequest } from '../../../common/identity/signing-request.ts';

const client = identityOf({ trustDomain: 'cluster.local', namespace: 'shop', serviceAccount: 'client' });
const authority = await createCertificateAuthority({ trustDomain: 'cluster.local' });
const { rootsPem: otherRoot } = await createCertificateAuthority({ trustDomain: 'cluster.local' });
const { csrPem } = await createSigningRequest(client);
const [leaf = '', root = ''] = await authority.signCsr(csrPem, client, 0);

t.test('first the leaf, last the root', async (t) => {
  t.match(readChain(client, [leaf, root]), { chainPem: leaf, rootsPem: root });
});

t.test('what stands between are intermediates, one each', async (t) => {
  const chain = readChain(client, [leaf, otherRoot + root, root]);
  t.same(splitCertificates(chain.chainPem), [leaf, otherRoot]);
});

t.test('the last text may hold several roots', async (t) => {
  t.same(splitCertificates(readChain(client, [leaf, root + otherRoot]).rootsPem), [root, otherRoot]);
});

t.test('an answer without a part is refused by the name of the part', async (t) => {
  const code = 'IDENTITY_UNAVAILABLE';
  t.throws(() => readChain(client, []), { code, message: /spiffe:.*empty chain/ });
  t.throws(() => readChain(client, [leaf]), { code, message: /without a root/ });
  t.throws(() => readChain(client, [leaf, 'nothing']), { code, message: /without a root/ });
  t.throws(() => readChain(client, ['nothing', root]), { code, message: /leaf that cannot be read/ });
});

t.test('a certificate for another identity is refused', async (t) => {
  const other = identityOf({ trustDomain: 'cluster.local', namespace: 'shop', serviceAccount: 'other' });
  t.throws(() => readChain(other, [leaf, root]), {
    code: 'IDENTITY_UNAVAILABLE',
    message: /another identity: .*client/,
  });
  t.throws(() => readChain(other, [root, root]), { message: /another identity: no URI name/ });
});
