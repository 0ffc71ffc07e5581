import t from 'tap';
import { formatResourceProblem } from '../../../common/sources/resource-problem.ts';
import { readWaypointResources, type WaypointResources } from '../../../waypoint/resources/waypoint-resources.ts';
import { objectsOf } from '../../common/sources/from-yaml.ts';

const plugin = (condition: string) => `
apiVersion: extensions.istio.io/v1alpha1
kind: WasmPlugin
metadata: { name: routes, namespace: shop }
spec:
  url: https://example.com/attributegen.wasm
  pluginConfig: { attributes: [{ output_attribute: route, match: [{ value: every, condition: "${condition}" }] }] }
---`;
const telemetry = (value: string) => `
apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: { name: tags, namespace: shop }
spec: { metrics: [{ overrides: [{ tagOverrides: { good: { value: request.host }, other: { value: "${value}" } } }] }] }
---`;

function conditionsOf({ plugins }: WaypointResources): readonly (string | undefined)[] {
  return plugins.flatMap(({ generators }) =>
    generators.flatMap(({ matches }) => matches.map((m) => m.condition?.text)),
  );
}

function tagsOf({ telemetries }: WaypointResources): readonly (readonly [string, string])[] {
  const overrides = telemetries.flatMap(({ metrics }) => metrics.flatMap((entry) => entry.overrides));
  return overrides.flatMap(({ tags }) =>
    [...tags].map(([name, change]) => [name, change.kind === 'upsert' ? change.expression.kind : 'removed'] as const),
  );
}

t.test('a version that cannot be used leaves the last good one in its place', async (t) => {
  const good = readWaypointResources(objectsOf(plugin('true') + telemetry('request.path')));
  t.same(good.problems, []);
  const broken = readWaypointResources(objectsOf(plugin('request. ==') + telemetry('==')), good.lastGood);
  t.same(conditionsOf(broken), ['true']);
  t.same(tagsOf(broken), [
    ['good', 'compiled'],
    ['other', 'compiled'],
  ]);
  t.match(broken.problems.map(formatResourceProblem), [
    /^test\.yaml:2: WasmPlugin shop\/routes: .*; mend the CEL expression \(its last good version keeps serving until then\)$/,
    /^test\.yaml:\d+: Telemetry shop\/tags: .*; mend the CEL expression \(its last good version keeps serving until then\)$/,
  ]);
  const again = readWaypointResources(objectsOf(plugin('still ==')), broken.lastGood);
  t.same(conditionsOf(again), ['true'], 'however often it is read');
  const mended = readWaypointResources(objectsOf(plugin('false')), again.lastGood);
  t.same([conditionsOf(mended), mended.problems], [['false'], []]);
});

t.test('a first version that cannot be used is left out, or what is right in it is used', async (t) => {
  const read = readWaypointResources(objectsOf(plugin('==') + telemetry('==')));
  t.same(conditionsOf(read), []);
  t.same(tagsOf(read), [
    ['good', 'compiled'],
    ['other', 'invalid'],
  ]);
  t.match(read.problems.map(formatResourceProblem), [
    /\(none of its attributes is set until then\)$/,
    /\(what is malformed in it is left out until then\)$/,
  ]);
  t.equal(read.lastGood.size, 0);
});

t.test('what was deleted is forgotten', async (t) => {
  const good = readWaypointResources(objectsOf(plugin('true')));
  const gone = readWaypointResources(objectsOf(telemetry('request.path')), good.lastGood);
  t.same(conditionsOf(readWaypointResources(objectsOf(plugin('==')), gone.lastGood)), []);
});
