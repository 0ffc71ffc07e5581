import t from 'tap';
import { meshOf } from '../from-yaml.ts';

const strict = 'istio-system/istio_converted_static_strict';
const ported = 'shop/converted_peer_authentication_own';
const anonymous = [{ notPrincipals: [{ kind: 'presence' }] }];

/** What the pod `web` names, and the rules of its own policy, under the given policies. */
function outcome(...policies: readonly string[]): { names: readonly string[] | undefined; rules: unknown } {
  const documents = policies.map(
    (policy) => `{ apiVersion: security.istio.io/v1, kind: PeerAuthentication, ${policy} }`,
  );
  const pod =
    '{ apiVersion: v1, kind: Pod, metadata: { name: web, namespace: shop, labels: { app: web } }, status: { podIP: 10.0.0.1 } }';
  const { snapshot } = meshOf([pod, ...documents].join('\n---\n'));
  return {
    names: snapshot.workloads[0]?.authorizationPolicies,
    rules: snapshot.policies.find(({ namespace }) => namespace === 'shop')?.rules,
  };
}

const mesh = (mode: string): string =>
  `metadata: { name: default, namespace: istio-system }, spec: { mtls: { mode: ${mode} } }`;
const namespace = (mode: string): string =>
  `metadata: { name: default, namespace: shop }, spec: { mtls: { mode: ${mode} } }`;
const own = (spec: string): string =>
  `metadata: { name: own, namespace: shop }, spec: { selector: { matchLabels: { app: web } }, ${spec} }`;

t.test('the nearest level that says a mode decides', async (t) => {
  t.same(outcome().names, []);
  t.same(outcome(mesh('STRICT')).names, [strict]);
  t.same(outcome(mesh('STRICT'), namespace('PERMISSIVE')).names, []);
  t.same(outcome(mesh('STRICT'), namespace('UNSET')).names, [strict]);
  t.same(outcome(namespace('STRICT'), own('mtls: { mode: DISABLE }')).names, []);
  t.same(outcome(namespace('STRICT'), own('mtls: { mode: UNSET }')).names, [strict]);
  t.same(outcome(own('mtls: { mode: STRICT }')).names, [strict]);
});

t.test('ports that are open under STRICT are exempt', async (t) => {
  const { names, rules } = outcome(
    own(
      'mtls: { mode: STRICT }, portLevelMtls: { 8081: { mode: DISABLE }, 8080: { mode: PERMISSIVE }, 9090: { mode: STRICT } }',
    ),
  );
  t.same(names, [ported]);
  t.same(rules, [[anonymous, [{ notDestinationPorts: [8080] }], [{ notDestinationPorts: [8081] }]]]);
});

t.test('a port on DISABLE is exempt under an inherited STRICT too', async (t) => {
  const { names, rules } = outcome(
    mesh('STRICT'),
    own('portLevelMtls: { 8080: { mode: DISABLE }, 9090: { mode: STRICT } }'),
  );
  t.same(names, [ported]);
  t.same(rules, [[[{ notDestinationPorts: [8080] }], anonymous]]);
});

t.test('ports that are strict otherwise are denied to callers without identity', async (t) => {
  const { names, rules } = outcome(own('portLevelMtls: { 8080: { mode: STRICT }, 8081: { mode: PERMISSIVE } }'));
  t.same(names, [ported]);
  t.same(rules, [[[{ notPrincipals: [{ kind: 'presence' }], destinationPorts: [8080] }]]]);
});

t.test('ports that change nothing make no policy', async (t) => {
  t.same(outcome(own('mtls: { mode: STRICT }, portLevelMtls: { 8080: { mode: STRICT } }')), {
    names: [strict],
    rules: undefined,
  });
  t.same(outcome(own('portLevelMtls: { 8080: { mode: DISABLE } }')), { names: [], rules: undefined });
});

t.test('one that cannot be read counts as STRICT', async (t) => {
  t.same(outcome(own('mtls: { mode: STRIKT }')).names, [strict]);
  t.same(outcome(namespace('PERMISSIVE'), own('portLevelMtls: { http: { mode: PERMISSIVE } }')).names, [strict]);
});

t.test('of two at one level the older counts', async (t) => {
  const older =
    'metadata: { name: z, namespace: shop, creationTimestamp: "2026-01-01T00:00:00Z" }, spec: { mtls: { mode: STRICT } }';
  const newer =
    'metadata: { name: a, namespace: shop, creationTimestamp: "2026-01-02T00:00:00Z" }, spec: { mtls: { mode: PERMISSIVE } }';
  t.same(outcome(newer, older).names, [strict]);
});
