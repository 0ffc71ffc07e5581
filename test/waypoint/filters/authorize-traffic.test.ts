import t from 'tap';
import { identityOf } from '../../../common/identity/identity.ts';
import { authorizeTraffic } from '../../../waypoint/filters/authorize-traffic.ts';
import { type AttachedPolicy, parseAuthorization } from '../../../waypoint/resources/authorization.ts';
import type { HttpFacts, TrafficFacts } from '../../../waypoint/resources/traffic-condition.ts';
import { objectsOf } from '../../common/sources/from-yaml.ts';
import { ip } from '../../support/pod-network.ts';

function policy(spec: string, name = 'rules'): AttachedPolicy {
  const yaml = `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: ${name}, namespace: shop }
spec: { targetRefs: [{ kind: Gateway, group: gateway.networking.k8s.io, name: gate }], ${spec} }`;
  const [parsed] = objectsOf(yaml).map(parseAuthorization);
  if (parsed?.policy === undefined) throw new Error(JSON.stringify(parsed?.problems));
  return parsed.policy;
}

const client = identityOf({ trustDomain: 'cluster.local', namespace: 'web', serviceAccount: 'browser' });
const request = (more: Partial<HttpFacts> = {}, headers: Readonly<Record<string, string>> = {}): TrafficFacts => ({
  source: { ip: ip('10.1.0.9'), port: 40_000 },
  destination: { ip: ip('10.96.0.7'), port: 80 },
  identity: client,
  http: { method: 'GET', authority: 'Shop.example', path: '/cart', header: (name) => headers[name], ...more },
});
const connection: TrafficFacts = { ...request(), http: undefined };

function passes(spec: string, facts: TrafficFacts): boolean {
  return authorizeTraffic([policy(spec)], facts).kind === 'permit';
}
const denies = (rules: string, facts: TrafficFacts): boolean => !passes(`action: DENY, rules: [${rules}]`, facts);
const allows = (rules: string, facts: TrafficFacts): boolean => passes(`action: ALLOW, rules: [${rules}]`, facts);

t.test('without a policy everything passes; a policy without rules allows nothing, or denies nothing', async (t) => {
  t.same(authorizeTraffic([], request()), { kind: 'permit' });
  t.notOk(passes('action: ALLOW', request()));
  t.ok(passes('action: DENY', request()));
  t.ok(allows('{}', request()));
  t.ok(denies('{}', request()));
});

t.test('a denial names policy and rule, as Envoy does in its details and as people read it', async (t) => {
  const deny = policy('action: DENY, rules: [{ to: [{ operation: { methods: [PUT] } }] }, {}]', 'no-cart');
  t.same(authorizeTraffic([policy('rules: [{}]'), deny], request()), {
    kind: 'deny',
    details: 'rbac_access_denied_matched_policy[ns[shop]-policy[no-cart]-rule[1]]',
    reason:
      'explicitly denied by: shop/no-cart (rule 2); GET /cart of client 10.1.0.9 with spiffe://cluster.local/ns/web/sa/browser, destination 10.96.0.7:80',
  });
  t.match(authorizeTraffic([policy('rules: [{ to: [{ operation: { methods: [PUT] } }] }]')], request()), {
    details: 'rbac_access_denied_matched_policy[none]',
    reason: /^allow policies exist, but none allowed \(shop\/rules\); GET \/cart of client/,
  });
});

t.test('of the entries of from and of to one must hold, and every condition of when', async (t) => {
  const rule = `{
    from: [{ source: { namespaces: [elsewhere] } }, { source: { principals: ["cluster.local/ns/web/sa/*"] } }],
    to: [{ operation: { methods: [POST] } }, { operation: { methods: [GET], paths: [/cart*], ports: ["80"] } }],
    when: [{ key: source.ip, values: [10.1.0.0/16] }, { key: "request.headers[X-Team]", values: [blue, green] }]
  }`;
  const team = (name: string) => request({}, { 'x-team': name });
  t.ok(allows(rule, team('green')));
  t.notOk(allows(rule, team('red')), 'another header');
  t.notOk(allows(rule, request()), 'no such header');
  t.notOk(allows(rule, { ...team('blue'), identity: undefined }), 'plain text');
  t.notOk(allows(rule, { ...team('blue'), source: { ip: ip('10.2.0.1'), port: 1 } }), 'another address');
  t.notOk(allows(rule, { ...team('blue'), destination: { ip: ip('10.96.0.7'), port: 81 } }), 'another port');
});

const operations: readonly (readonly [string, Partial<HttpFacts>, boolean])[] = [
  ['methods: [GET]', {}, true],
  ['methods: [get]', {}, false],
  ['notMethods: [GET, PUT]', {}, false],
  ['paths: [/cart]', {}, true],
  ['paths: ["/ca*"]', {}, true],
  ['paths: ["*rt"]', {}, true],
  ['paths: ["*"]', {}, true],
  ['paths: [/cart]', { path: '/cart/1' }, false],
  ['paths: ["/cart/{*}"]', { path: '/cart/1' }, true],
  ['paths: ["/cart/{*}"]', { path: '/cart/1/2' }, false],
  ['paths: ["/cart/{*}/total"]', { path: '/cart/1/total' }, true],
  ['paths: ["/{**}/total"]', { path: '/cart/1/2/total' }, true],
  ['paths: ["/c.rt/{*}"]', { path: '/cart/1' }, false],
  ['notPaths: ["/cart/{*}"]', { path: '/cart/1' }, false],
  ['hosts: [shop.EXAMPLE]', {}, true],
  ['hosts: ["*.example"]', {}, true],
  ['hosts: [shop.example]', { authority: 'shop.example:80' }, false],
  ['notHosts: [other.example]', {}, true],
];
for (const [operation, http, holds] of operations) {
  t.test(`${operation} ${holds ? 'holds' : 'does not hold'} for ${JSON.stringify(http)}`, async (t) => {
    const rule = `{ to: [{ operation: { ${operation} } }] }`;
    t.equal(allows(rule, request(http)), holds);
    t.equal(denies(rule, request(http)), holds);
  });
}

t.test('for a connection without HTTP, HTTP attributes never admit, and never keep from denying', async (t) => {
  const http = '{ to: [{ operation: { methods: [DELETE], ports: ["80"] } }] }';
  t.notOk(allows(http, connection));
  t.ok(denies(http, connection));
  t.notOk(denies('{ to: [{ operation: { methods: [DELETE], ports: ["81"] } }] }', connection));
  t.ok(allows('{ from: [{ source: { namespaces: [web] } }] }', connection));
});

t.test('what cannot be told here admits nobody and denies more', async (t) => {
  const jwt = '{ from: [{ source: { requestPrincipals: ["*"] } }], to: [{ operation: { methods: [GET] } }] }';
  t.notOk(allows(jwt, request()));
  t.notOk(allows('{ from: [{ source: { notRequestPrincipals: ["*"] } }] }', request()));
  t.ok(allows(`${jwt}, { to: [{ operation: { methods: [GET] } }] }`, request()), 'other rules hold');
  t.ok(allows('{ from: [{ source: { requestPrincipals: [x] } }, { source: { namespaces: [web] } }] }', request()));
  t.ok(denies(jwt, request()));
  t.notOk(denies(jwt, request({ method: 'PUT' })));
  t.notOk(
    passes(
      'action: CUSTOM, provider: { name: authz }, rules: [{ to: [{ operation: { methods: [GET] } }] }]',
      request(),
    ),
  );
  t.ok(
    passes(
      'action: CUSTOM, provider: { name: authz }, rules: [{ to: [{ operation: { methods: [PUT] } }] }]',
      request(),
    ),
  );
});

t.test('a reason shows only the beginning of a long path', async (t) => {
  const verdict = authorizeTraffic([policy('action: ALLOW')], request({ path: `/${'a'.repeat(60_000)}` }));
  t.equal(verdict.kind, 'deny');
  if (verdict.kind === 'deny') t.ok(verdict.reason.length < 1_000, `${verdict.reason.length} characters`);
});
