import t from 'tap';
import type { Service } from '../../../common/mesh/service.ts';
import type { RouteChoice } from '../../../waypoint/routes/choose-route.ts';
import type { MatchedHead } from '../../../waypoint/routes/match-request.ts';
import { createRouting } from '../../../waypoint/routes/routing.ts';
import { aService, endAt, meshOf, ports } from '../../support/mesh-objects.ts';
import { readRoutes, routeManifest } from '../../support/route-manifests.ts';

const reviews = aService({ name: 'reviews', addresses: ['10.96.0.1'], ports: ports(9080, 9080, 3306, 3306) });
const other = aService({ name: 'other', addresses: ['10.96.0.2'], ports: ports(80, 8080) });
const elsewhere = aService({ name: 'reviews', namespace: 'far', addresses: ['10.96.0.3'], ports: ports(9080, 9080) });
const scope = { namespace: 'default', rootNamespace: 'istio-system', clusterDomain: 'cluster.local' };

const subsets = routeManifest(
  'DestinationRule',
  'reviews',
  `
host: reviews
subsets:
  - { name: v1, labels: { version: v1 } }
  - { name: v3, labels: { version: v3 } }`,
);

function routingOf(...manifests: readonly string[]) {
  const routing = createRouting(meshOf({ services: [reviews, other, elsewhere] }), scope);
  routing.useResources(readRoutes(...manifests));
  const target = (service: Service, servicePort: number) =>
    ({
      kind: 'service',
      service,
      servicePort,
      address: endAt(`10.96.0.1:${servicePort}`),
      appProtocol: 'unknown',
    }) as const;
  const request: MatchedHead = { method: 'GET', scheme: 'http', authority: 'reviews:9080', path: '/', headers: [] };
  return {
    get: (path = '/', more: Partial<MatchedHead> = {}, random = 0, service = reviews) =>
      show(routing.forRequest(target(service, 9080), { ...request, path, ...more }, random)),
    connect: (random = 0, port = 3306) => show(routing.forConnection(target(reviews, port), random)),
    routing,
  };
}

/** `reviews:9080/v3 (default)`, `404 NR`. */
function show(choice: RouteChoice): string {
  if (choice.kind === 'refused') return `${choice.refusal.status} ${choice.refusal.flag ?? choice.refusal.reason}`;
  const { backend, routeName } = choice;
  if (backend === undefined) return `as asked (${routeName})`;
  const subset = backend.subset === undefined ? '' : `/${backend.subset.name}`;
  return `${backend.service.name}:${backend.servicePort}${subset} (${routeName})`;
}

const toSubset = (subset: string, more = '') =>
  routeManifest(
    'VirtualService',
    'reviews',
    `hosts: [reviews]\nhttp: [{ route: [{ destination: { host: reviews, subset: ${subset} } }]${more} }]`,
  );

t.test('without a route for it a service gets what is asked of it', async (t) => {
  t.equal(routingOf(subsets).get(), 'as asked (default)');
  t.equal(routingOf(subsets, toSubset('v3')).get('/', {}, 0, elsewhere), 'as asked (default)', 'another namespace');
  t.equal(routingOf(subsets, toSubset('v3')).connect(), 'as asked (default)', 'http rules are for HTTP');
});

t.test('a subset is taken of the DestinationRule, and one that is not there refuses', async (t) => {
  t.equal(routingOf(subsets, toSubset('v3')).get(), 'reviews:9080/v3 (default)');
  t.equal(routingOf(subsets, toSubset('v9')).get(), '503 NC');
  t.equal(routingOf(toSubset('v3')).get(), '503 NC', 'no DestinationRule at all');
});

t.test('traffic is shared by weight, whatever the weights add up to', async (t) => {
  const split = (a: number, b: number) =>
    routeManifest(
      'VirtualService',
      'reviews',
      `hosts: [reviews.default.svc.cluster.local]
http:
  - route:
      - { destination: { host: reviews, subset: v1 }, weight: ${a} }
      - { destination: { host: reviews, subset: v3 }, weight: ${b} }`,
    );
  for (const [a, b] of [
    [90, 10],
    [9, 1],
    [0, 5],
    [5, 0],
  ] as const) {
    const { get } = routingOf(subsets, split(a, b));
    const picks = Array.from({ length: 1000 }, (_, index) => get('/', {}, index / 1000));
    const share = picks.filter((pick) => pick.includes('/v1')).length;
    t.equal(share, Math.round((1000 * a) / (a + b)), `${a}:${b}`);
  }
  t.equal(routingOf(subsets, split(0, 0)).get(), '500 all its weights are 0');
});

t.test('the number for the next choice does not depend on this one', async (t) => {
  const { routing } = routingOf(subsets, toSubset('v3'));
  const target = {
    kind: 'service',
    service: reviews,
    servicePort: 9080,
    address: endAt('10.96.0.1:9080'),
    appProtocol: 'http11',
  } as const;
  const choice = routing.forRequest(
    target,
    { method: 'GET', scheme: 'http', authority: '', path: '/', headers: [] },
    0.25,
  );
  t.match(choice, { kind: 'forward', random: 0.25 });
});

t.test('the first rule that matches is followed, and a request that none means is not found', async (t) => {
  const { get } = routingOf(
    subsets,
    routeManifest(
      'VirtualService',
      'reviews',
      `hosts: [reviews]
http:
  - name: jason
    match:
      - headers: { end-user: { exact: jason } }
        uri: { prefix: /reviews }
    route: [{ destination: { host: reviews, subset: v3 } }]
  - name: post
    match: [{ method: { exact: POST } }, { uri: { regex: "/admin/[a-z]+" } }]
    route: [{ destination: { host: other } }]
  - match: [{ uri: { exact: /Case }, ignoreUriCase: true, withoutHeaders: { x: {} }, queryParams: { q: { prefix: a } } }]
    route: [{ destination: { host: reviews, subset: v1, port: { number: 3306 } } }]`,
    ),
  );
  t.equal(get('/reviews/1', { headers: ['end-user', 'jason'] }), 'reviews:9080/v3 (jason)');
  t.equal(get('/other', { headers: ['end-user', 'jason'] }), '404 NR', 'all of an entry must hold');
  t.equal(get('/x', { method: 'POST' }), 'other:80 (post)', 'the only port of another service');
  t.equal(get('/admin/users?a=b'), 'other:80 (post)');
  t.equal(get('/admin/users/1'), '404 NR', 'a regular expression means the whole path');
  t.equal(get('/case?q=abc'), 'reviews:3306/v1 (default)');
  t.equal(get('/case?q=abc', { headers: ['x', ''] }), '404 NR');
  t.equal(get('/case?q=b'), '404 NR');
});

t.test('rules for other proxies are not followed', async (t) => {
  const { get } = routingOf(
    subsets,
    routeManifest(
      'VirtualService',
      'reviews',
      `hosts: [reviews]
http:
  - match: [{ sourceLabels: { app: productpage } }]
    route: [{ destination: { host: other } }]
  - match: [{ gateways: [edge] }]
    route: [{ destination: { host: other } }]
  - route: [{ destination: { host: reviews, subset: v1 } }]`,
    ),
    routeManifest(
      'VirtualService',
      'edge',
      `hosts: [reviews]\ngateways: [edge]\nhttp: [{ route: [{ destination: { host: other } }] }]`,
    ),
    routeManifest(
      'VirtualService',
      'a',
      `hosts: [reviews]\nhttp: [{ route: [{ destination: { host: other } }] }]`,
      'stranger',
    ),
    routeManifest(
      'VirtualService',
      'b',
      `hosts: [reviews.default.svc.cluster.local]\nexportTo: [elsewhere]\nhttp: [{ route: [{ destination: { host: other } }] }]`,
    ),
  );
  t.equal(get(), 'reviews:9080/v1 (default)');
});

t.test('what a waypoint does not serve refuses its requests where going on would be wrong, and is told', async (t) => {
  const redirect = readRoutes(
    routeManifest('VirtualService', 'reviews', `hosts: [reviews]\nhttp: [{ redirect: { uri: / } }]`),
  );
  t.match(redirect.problems, [
    /VirtualService default\/reviews: spec.http\[0\].redirect is not served .*; its requests are refused/,
  ]);
  t.match(
    routingOf(routeManifest('VirtualService', 'reviews', `hosts: [reviews]\nhttp: [{ redirect: { uri: / } }]`)).get(),
    /^500 /,
  );
  const timeout = readRoutes(subsets, toSubset('v3', ', timeout: 1s, fault: { abort: { httpStatus: 500 } }'));
  t.match(timeout.problems, [/spec.http\[0\].timeout is not served/, /spec.http\[0\].fault is not served/]);
  t.equal(routingOf(subsets, toSubset('v3', ', timeout: 1s')).get(), 'reviews:9080/v3 (default)', 'the route holds');
});

t.test('connections are shared by weight, per port', async (t) => {
  const { connect } = routingOf(
    subsets,
    routeManifest(
      'VirtualService',
      'reviews',
      `hosts: [reviews]
tcp:
  - match: [{ port: 3306 }]
    route:
      - { destination: { host: reviews, subset: v1 }, weight: 90 }
      - { destination: { host: reviews, subset: v3 }, weight: 10 }`,
    ),
  );
  t.equal(connect(0.89), 'reviews:3306/v1 (default)');
  t.equal(connect(0.91), 'reviews:3306/v3 (default)');
  t.equal(connect(0, 9080), 'as asked (default)');
});

t.test('routes of Gateway API share by weight and are tried by how exact they are', async (t) => {
  const http = routeManifest(
    'HTTPRoute',
    'reviews',
    `parentRefs: [{ kind: Service, name: reviews, group: "", port: 9080 }]
rules:
  - backendRefs: [{ name: reviews, port: 9080, weight: 90 }, { name: other, port: 80, weight: 10 }]
  - name: pages
    matches: [{ path: { value: /a } }]
    backendRefs: [{ name: other, port: 80 }]
  - matches: [{ path: { type: Exact, value: /a/b } }]
    backendRefs: [{ name: gone, port: 80 }]
  - matches: [{ path: { value: /a }, method: PUT, headers: [{ name: X, value: "1" }] }]
    backendRefs: [{ kind: Bucket, name: b }]`,
  );
  const { get } = routingOf(http);
  t.equal(get('/', {}, 0.89), 'reviews:9080 (default.reviews.0)');
  t.equal(get('/', {}, 0.91), 'other:80 (default.reviews.0)');
  t.equal(get('/a'), 'other:80 (pages)');
  t.equal(get('/a/c'), 'other:80 (pages)');
  t.equal(get('/ab', {}, 0), 'reviews:9080 (default.reviews.0)', 'whole path elements');
  t.equal(get('/a/b'), '500 NC', 'a backend that does not exist');
  t.match(get('/a', { method: 'PUT', headers: ['x', '1'] }), /^500 .*of kind Bucket/);
  t.match(readRoutes(http).problems, [/rules\[3\].backendRefs\[0\] is not served .* of kind Bucket; its share/]);
  const tcp = routeManifest(
    'TCPRoute',
    'db',
    `parentRefs: [{ kind: Service, name: reviews, group: "", port: 3306 }]
rules: [{ backendRefs: [{ name: reviews, port: 3306, weight: 3 }, { name: other, port: 80 }] }]`,
  );
  t.equal(routingOf(tcp).connect(0.74), 'reviews:3306 (default)');
  t.equal(routingOf(tcp).connect(0.76), 'other:80 (default)');
});

t.test('new resources hold from the next request', async (t) => {
  const { get, routing } = routingOf(subsets, toSubset('v1'));
  t.equal(get(), 'reviews:9080/v1 (default)');
  routing.useResources(readRoutes(subsets, toSubset('v3')));
  t.equal(get(), 'reviews:9080/v3 (default)');
  routing.useResources(readRoutes());
  t.equal(get(), 'as asked (default)');
});

t.test('an object that cannot be read is told with its field and routes nothing', async (t) => {
  const wrong = [
    ['hosts: [reviews]\nhttp: [{ route: [] }]', /spec.http\[0\].route/],
    [
      'hosts: [reviews]\nhttp: [{ match: [{ uri: { regex: "(" } }], route: [{ destination: { host: a } }] }]',
      /uri.regex/,
    ],
    [
      'hosts: [reviews]\nhttp: [{ match: [{ url: { exact: a } }], route: [{ destination: { host: a } }] }]',
      /match\[0\].url/,
    ],
    ['hosts: [reviews]\nhttp: [{ route: [{ destination: { host: a }, weight: -1 }] }]', /weight/],
    ['http: []', /spec.hosts/],
  ] as const;
  for (const [spec, field] of wrong) {
    const { routes, problems } = readRoutes(routeManifest('VirtualService', 'reviews', spec));
    t.same(routes, []);
    t.match(problems, [field]);
    t.match(problems[0], /VirtualService default\/reviews: .*it routes nothing until then/);
  }
});
