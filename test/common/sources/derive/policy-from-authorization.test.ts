import t from 'tap';
import type { AuthorizationPolicy } from '../../../../common/mesh/authorization-policy.ts';
import { meshOf } from '../from-yaml.ts';

function policyOf(spec: string, namespace = 'shop'): { policy: AuthorizationPolicy | undefined; problems: string[] } {
  const { snapshot, problems } = meshOf(`
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: gate, namespace: ${namespace} }
spec: ${spec}
`);
  return { policy: snapshot.policies[0], problems: problems.map(({ message }) => message) };
}

const rulesOf = (spec: string): unknown => policyOf(spec).policy?.rules;

t.test('each rule becomes its clauses: to, from, then one for each condition', async (t) => {
  t.strictSame(
    rulesOf(`{ rules: [{
      from: [{ source: { namespaces: [a, "b*"], notPrincipals: ["*/sa/x"] } }, { source: { ipBlocks: [10.0.0.0/8] } }],
      to: [{ operation: { ports: ["80"] } }],
      when: [{ key: destination.port, notValues: ["81"] }] }] }`),
    [
      [
        [{ destinationPorts: [80] }],
        [
          {
            namespaces: [
              { kind: 'exact', value: 'a' },
              { kind: 'prefix', value: 'b' },
            ],
            notPrincipals: [{ kind: 'suffix', value: '/sa/x' }],
          },
          { sourceIps: [{ ip: '10.0.0.0', prefixLength: 8 }] },
        ],
        [{ notDestinationPorts: [81] }],
      ],
    ],
  );
});

t.test('the scope follows selector and namespace', async (t) => {
  t.equal(policyOf('{}').policy?.scope, 'namespace');
  t.equal(policyOf('{}', 'istio-system').policy?.scope, 'global');
  t.equal(policyOf('{ selector: { matchLabels: { app: web } } }').policy?.scope, 'workload-selector');
});

t.test('an empty ALLOW policy admits nothing, one with an empty rule everything', async (t) => {
  t.strictSame(rulesOf('{}'), []);
  t.strictSame(rulesOf('{ rules: [{}] }'), [[]]);
});

t.test('an ALLOW rule with HTTP attributes is dropped whole; a DENY rule keeps what ztunnel can see', async (t) => {
  const rule = '[{ from: [{ source: { namespaces: [a] } }], to: [{ operation: { ports: ["80"], methods: [GET] } }] }]';
  const allow = policyOf(`{ rules: ${rule} }`);
  t.strictSame(allow.policy?.rules, []);
  t.match(allow.problems[0], /does not support HTTP attributes \(found: methods\)/);
  t.strictSame(rulesOf(`{ action: DENY, rules: ${rule} }`), [
    [[{ destinationPorts: [80] }], [{ namespaces: [{ kind: 'exact', value: 'a' }] }]],
  ]);
});

t.test('policies for waypoints, and actions ztunnel does not have, are not for the ztunnel', async (t) => {
  t.equal(policyOf('{ targetRefs: [{ kind: Gateway, name: w }], rules: [{}] }').policy, undefined);
  t.equal(policyOf('{ action: AUDIT, rules: [{}] }').policy, undefined);
  t.match(policyOf('{ action: CUSTOM, rules: [{}] }').problems[0], /does not support the CUSTOM action/);
});

t.test('a policy that cannot be read denies everything in its scope', async (t) => {
  const unreadable = [
    '{ action: DENI, rules: [] }',
    '{ rules: x }',
    '{ rules: [null] }',
    '{ rules: [{ form: [] }] }',
    '{ rule: [{}] }',
    '{ rules: [{ from: [{ source: {} }] }] }',
    '{ rules: [{ from: [{ source: { namespace: [a] } }] }] }',
    '{ rules: [{ to: [{ operation: { ports: [80] } }] }] }',
    '{ rules: [{ when: [{ key: sorce.ip, values: [10.0.0.1] }] }] }',
    '{ rules: [{ when: [{ key: source.ip }] }] }',
    '{ action: DENY, rules: [{ to: [{ operation: { ports: [http, "80"] } }] }] }',
    '{ action: DENY, rules: [{ from: [{ source: { notIpBlocks: [nowhere] } }] }] }',
  ];
  for (const spec of unreadable) {
    const { policy, problems } = policyOf(spec);
    t.match(policy, { action: 'deny', scope: 'namespace', rules: [[]], dryRun: false }, spec);
    t.equal(problems.length, 1, `${spec} is told once`);
  }
  const selected = policyOf('{ selector: { matchLabels: { app: web } }, rules: x }');
  t.match(selected.policy, { action: 'deny', scope: 'workload-selector', rules: [[]] });
});

t.test('values of an ALLOW rule that cannot be read admit nobody', async (t) => {
  const some = '{ rules: [{ to: [{ operation: { ports: ["80", http] } }] }] }';
  t.strictSame(rulesOf(some), [[[{ destinationPorts: [80] }]]], 'the readable ones still count');
  const all = '{ rules: [{ from: [{ source: { namespaces: [a], ipBlocks: [nowhere] } }] }] }';
  t.strictSame(rulesOf(all), [[[{}]]], 'a restriction never vanishes beside another');
  const negated = '{ rules: [{ to: [{ operation: { ports: ["80"], notPorts: [http] } }] }] }';
  t.strictSame(rulesOf(negated), [[[{}]]], 'an exception never vanishes');
  t.match(policyOf(negated).problems[0], /"http"/);
});

t.test('service accounts are of the policy namespace unless they name another', async (t) => {
  t.strictSame(rulesOf('{ rules: [{ from: [{ source: { serviceAccounts: [own, x/y] } }] }] }'), [
    [
      [
        {
          serviceAccounts: [
            { namespace: 'shop', serviceAccount: 'own' },
            { namespace: 'x', serviceAccount: 'y' },
          ],
        },
      ],
    ],
  ]);
});
