import t from 'tap';
import { formatResourceProblem } from '../../../common/sources/resource-problem.ts';
import { parseAuthorization } from '../../../waypoint/resources/authorization.ts';
import { readWaypointResources } from '../../../waypoint/resources/waypoint-resources.ts';
import { objectsOf } from '../../common/sources/from-yaml.ts';

const yaml = (spec: string, annotations = '') => `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: rules, namespace: shop, annotations: { ${annotations} } }
spec: { ${spec} }`;
const toGate = 'targetRefs: [{ kind: Gateway, group: gateway.networking.k8s.io, name: gate }]';

function parse(spec: string, annotations?: string) {
  const [parsed] = objectsOf(yaml(spec, annotations)).map(parseAuthorization);
  return { policy: parsed?.policy, problems: parsed?.problems.map(formatResourceProblem) };
}

t.test('policies for others, for show and for the record alone are left out', async (t) => {
  for (const [spec, annotations] of [
    ['action: DENY, rules: [{}]'],
    ['selector: { matchLabels: { app: web } }, action: DENY, rules: [{}]'],
    [`${toGate}, action: DENY, rules: [{}]`, 'istio.io/dry-run: "true"'],
    [`${toGate}, action: AUDIT, rules: [{}]`],
  ] as const) {
    t.same(parse(spec, annotations), { policy: undefined, problems: [] }, spec);
  }
});

t.test('a policy keeps its targets, its action and the number of its rules', async (t) => {
  t.match(parse(`${toGate}, rules: [{}, { when: [{ key: remote.ip, values: [10.0.0.1] }] }]`), {
    policy: { targets: [{ kind: 'Gateway', name: 'gate' }], action: 'allow', rules: [Function, undefined] },
    problems: [/holds what cannot be told here: remote\.ip; rules with them match nothing/],
  });
  t.match(parse('targetRef: { kind: Service, name: cart }, action: DENY'), {
    policy: { targets: [{ kind: 'Service', name: 'cart' }], action: 'deny', rules: [] },
    problems: [],
  });
});

t.test('external authorizers are told not to be asked', async (t) => {
  t.match(parse(`${toGate}, action: CUSTOM, provider: { name: x }, rules: [{}]`), {
    policy: { action: 'deny' },
    problems: [/spec\.action.*external authorizers are not asked here/],
  });
});

t.test('one that cannot be read denies everything it is for, unless it was better before', async (t) => {
  const bad = `${toGate}, action: ALLOW, rules: [{ to: [{ operation: { method: [GET] } }] }]`;
  const first = readWaypointResources(objectsOf(yaml(bad)));
  t.match(first.policies, [{ action: 'deny', rules: [Function] }]);
  t.match(first.problems.map(formatResourceProblem), [/method.*\(everything it applies to is denied until then\)$/]);
  const good = readWaypointResources(objectsOf(yaml(`${toGate}, action: ALLOW, rules: [{}]`)));
  const after = readWaypointResources(objectsOf(yaml(bad)), good.lastGood);
  t.match(after.policies, [{ action: 'allow', rules: [Function] }]);
  t.match(after.problems.map(formatResourceProblem), [/its last good version keeps serving until then\)$/]);
});
