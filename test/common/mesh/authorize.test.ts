import t from 'tap';
import { parseIdentity } from '../../../common/identity/identity.ts';
import type { AuthorizationPolicy, PolicyMatch } from '../../../common/mesh/authorization-policy.ts';
import { authorize } from '../../../common/mesh/authorize.ts';
import { aPolicy, endAt } from '../../support/mesh-objects.ts';

const facts = {
  source: endAt('10.0.0.1:40000'),
  destination: endAt('10.0.1.1:8080'),
  identity: parseIdentity('spiffe://td/ns/client-ns/sa/client'),
};
const fits: PolicyMatch = { destinationPorts: [8080] };
const differs: PolicyMatch = { destinationPorts: [1] };

function verdictOf(policies: readonly AuthorizationPolicy[], unknown: readonly string[] = []) {
  return authorize(facts, { policies, unknown });
}

t.test('without policies everything is permitted', (t) => {
  t.match(verdictOf([]), { kind: 'permit', policy: undefined });
  t.end();
});

t.test('a DENY policy that matches denies, whatever is allowed', (t) => {
  const allow = aPolicy({ name: 'allow', match: fits });
  const deny = aPolicy({ name: 'deny', action: 'deny', match: fits });
  t.match(verdictOf([allow, deny]), {
    kind: 'deny',
    reason: 'deny-policy-matched',
    policies: ['default/deny'],
    detail:
      'explicitly denied by: default/deny (rule 1); client 10.0.0.1 with spiffe://td/ns/client-ns/sa/client, destination 10.0.1.1:8080',
  });
  t.match(verdictOf([aPolicy({ name: 'deny', action: 'deny', match: differs })]), {
    kind: 'permit',
    policy: undefined,
  });
  t.match(verdictOf([allow, aPolicy({ name: 'deny', action: 'deny', match: differs })]), {
    kind: 'permit',
    policy: 'default/allow',
  });
  t.end();
});

t.test('where ALLOW policies exist one of them must match', (t) => {
  t.match(verdictOf([aPolicy({ name: 'a', match: differs }), aPolicy({ name: 'b', match: fits })]), {
    kind: 'permit',
    policy: 'default/b',
    detail: 'allowed by: default/b (rule 1)',
  });
  t.match(verdictOf([aPolicy({ name: 'a', match: differs }), aPolicy({ name: 'b', rules: [] })]), {
    kind: 'deny',
    reason: 'no-allow-policy-matched',
    policies: ['default/a', 'default/b'],
    detail:
      /^allow policies exist, but none allowed \(default\/a: rule 1 does not accept destination port 8080; default\/b: it has no rules\)/,
  });
  t.match(verdictOf([aPolicy({ name: 'all', rules: [[]] })]), { kind: 'permit', policy: 'default/all' });
  t.end();
});

t.test('STRICT mutual TLS is a DENY policy for plain text', (t) => {
  const strict = aPolicy({ name: 'strict', action: 'deny', match: { notPrincipals: [{ kind: 'presence' }] } });
  t.equal(verdictOf([strict]).kind, 'permit');
  t.match(authorize({ ...facts, identity: undefined }, { policies: [strict], unknown: [] }), {
    kind: 'deny',
    detail: /client 10\.0\.0\.1 with no identity \(plain text\)/,
  });
  t.end();
});

t.test('a policy that is named and not known denies, even where another allows', (t) => {
  const allow = aPolicy({ name: 'allow', match: fits });
  t.match(verdictOf([allow], ['default/late']), {
    kind: 'deny',
    reason: 'policy-unknown',
    policies: ['default/late'],
    detail: /not known \(yet\): default\/late;/,
  });
  t.match(verdictOf([], ['a/1', 'a/2', 'a/3', 'a/4', 'a/5']), { detail: /a\/1, a\/2, a\/3 and 2 more/ });
  const deny = aPolicy({ name: 'deny', action: 'deny', match: fits });
  t.match(verdictOf([deny], ['default/late']), { reason: 'deny-policy-matched' });
  t.end();
});

t.test('dry-run policies decide nothing and are reported', (t) => {
  const dryRun = [
    aPolicy({ name: 'deny', action: 'deny', match: fits, dryRun: true }),
    aPolicy({ name: 'quiet-deny', action: 'deny', match: differs, dryRun: true }),
    aPolicy({ name: 'allow', match: fits, dryRun: true }),
    aPolicy({ name: 'other-allow', match: differs, dryRun: true }),
  ];
  const findings = [
    { policy: 'default/deny', outcome: 'deny-matches' },
    { policy: 'default/allow', outcome: 'allow-matches' },
    { policy: 'default/other-allow', outcome: 'allow-does-not-match' },
  ];
  t.match(verdictOf(dryRun), { kind: 'permit', policy: undefined, dryRun: findings });
  const denied = verdictOf([...dryRun, aPolicy({ name: 'enforced', match: differs })]);
  t.match(denied, { kind: 'deny', policies: ['default/enforced'], dryRun: findings });
  t.end();
});

t.test('a detail stays short however many policies there are', (t) => {
  const many = Array.from({ length: 1000 }, (_, i) => aPolicy({ name: `p${i}`, match: differs }));
  const verdict = verdictOf(many);
  t.match(verdict.detail, /and 997 more policies/);
  t.ok(verdict.detail.length < 600);
  t.end();
});
