import t from 'tap';
import { parseManifest } from '../../../common/sources/manifests/manifest-parser.ts';
import { formatResourceProblem } from '../../../common/sources/resource-problem.ts';
import { checkRoutes } from '../../../waypoint/resources/check-routes.ts';
import { readWaypointResources } from '../../../waypoint/resources/waypoint-resources.ts';
import { routeManifest } from '../../support/route-manifests.ts';

const service = (name: string, waypoint: string) => `
apiVersion: v1
kind: Service
metadata: { name: ${name}, labels: { ${waypoint} } }
spec: { ports: [{ port: 80 }] }
---`;
const services = `${service('reviews', 'istio.io/use-waypoint: waypoint')}${service('mongodb', '')}`;
const subsets = routeManifest(
  'DestinationRule',
  'reviews',
  'host: reviews\nsubsets: [{ name: v3, labels: { version: v3 } }]',
);
const route = (host: string, destination: string) =>
  routeManifest('VirtualService', 'r', `hosts: [${host}]\nhttp: [{ route: [{ destination: { ${destination} } }] }]`);

function problemsOf(...texts: readonly string[]): readonly string[] {
  const { objects } = parseManifest(texts.join('\n'), 'r.yaml');
  const { routes, destinationRules } = readWaypointResources(objects);
  return checkRoutes({ objects, routes, destinationRules, clusterDomain: 'cluster.local' }).map(formatResourceProblem);
}

t.test('nothing is said of routes that work', async (t) => {
  t.same(problemsOf(services, subsets, route('reviews', 'host: reviews, subset: v3')), []);
  t.same(problemsOf(services, subsets, route('"*.local"', 'host: mongodb.default.svc.cluster.local')), []);
  const namespace =
    '{ apiVersion: v1, kind: Namespace, metadata: { name: default, labels: { istio.io/use-waypoint: w } } }\n---';
  t.same(problemsOf(namespace, services, route('mongodb', 'host: mongodb')), []);
});

t.test('a service without a waypoint is not routed, which is told', async (t) => {
  t.match(problemsOf(services, route('mongodb', 'host: mongodb')), [
    /^r.yaml:\d+: VirtualService default\/r: routes mongodb.default.svc.cluster.local, which is reached through no waypoint, so it changes nothing; label/,
  ]);
});

t.test('hosts and subsets that do not exist are told', async (t) => {
  t.match(problemsOf(services, route('ratings', 'host: reviews')), [/routes ratings.default.* no service; correct/]);
  t.match(problemsOf(services, route('reviews', 'host: ratings')), [
    /sends requests to ratings.default.* no service; add/,
  ]);
  t.match(problemsOf(services, route('reviews', 'host: reviews, subset: v3')), [
    /sends requests to subset v3 of reviews.default.svc.cluster.local, which no DestinationRule has; add/,
  ]);
});
