import t from 'tap';
import { expectedIdentities } from '../../../common/mesh/expected-identities.ts';
import { aService, aWorkload } from '../../support/mesh-objects.ts';

const own = 'spiffe://cluster.local/ns/default/sa/a';
const workload = aWorkload({ name: 'a' });

t.test('the workload itself is expected, and whom its service declares', (t) => {
  const subjectAltNames = ['spiffe://other/ns/x/sa/y', own];
  const uris = (service: Parameters<typeof expectedIdentities>[1]) =>
    expectedIdentities(workload, service).map((identity) => identity.uri);
  t.same(uris(undefined), [own]);
  t.same(uris(aService({ name: 's', subjectAltNames })), ['spiffe://other/ns/x/sa/y', own]);
  t.end();
});

t.test('a declared name that is no identity is skipped', (t) => {
  const subjectAltNames = ['example.com', 'spiffe://', 'spiffe://td/ns//sa/x'];
  t.equal(expectedIdentities(workload, aService({ name: 's', subjectAltNames })).length, 1);
  t.end();
});
