// Which living connections a change of policies ends.
import t from 'tap';
import { identityOf } from '../../../common/identity/identity.ts';
import type { AdmittedConnection } from '../../../ztunnel/connections/connection-tracker.ts';
import { findRevoked } from '../../../ztunnel/connections/revalidate.ts';
import { aPolicy, aWorkload, endAt, meshOf } from '../../support/mesh-objects.ts';

const server = aWorkload({ name: 'server', addresses: ['10.0.0.2'] });
const client = aWorkload({ name: 'client' });
const admitted = (port: number): AdmittedConnection => ({
  workload: server,
  source: endAt('10.0.0.1:40000'),
  destination: endAt(`10.0.0.2:${port}`),
  sourceIdentity: identityOf(client),
});
const both = [
  ['http', admitted(80)],
  ['admin', admitted(8080)],
] as const;

t.test('only those that a policy now denies are revoked, with its name', async (t) => {
  const noAdmin = aPolicy({ name: 'no-admin', action: 'deny', match: { destinationPorts: [8080] } });
  const revoked = findRevoked(both, meshOf({ workloads: [server], policies: [noAdmin] }));
  t.same(
    revoked.map(({ connection }) => connection),
    ['admin'],
  );
  t.match(revoked[0]?.detail, /^connection closed due to policy change: explicitly denied by: default\/no-admin/);
});

t.test('none is revoked without policies', async (t) => {
  t.same(findRevoked(both, meshOf({ workloads: [server] })), []);
});

t.test('a policy that has come to select the workload counts', async (t) => {
  const selected = { ...server, authorizationPolicies: ['default/mine'] };
  const mine = aPolicy({ name: 'mine', scope: 'workload-selector', match: { destinationPorts: [80] } });
  const revoked = findRevoked(both, meshOf({ workloads: [selected], policies: [mine] }));
  t.same(
    revoked.map(({ connection }) => connection),
    ['admin'],
  );
});

t.test('a policy that is named but not known revokes', async (t) => {
  const selected = { ...server, authorizationPolicies: ['default/missing'] };
  t.equal(findRevoked(both, meshOf({ workloads: [selected] })).length, 2);
});
