import t from 'tap';
import { compileExpression } from '../../../common/expressions/expression.ts';
import type { MetricChanges } from '../../../waypoint/resources/metrics-configuration.ts';
import type { TagChange } from '../../../waypoint/resources/telemetry.ts';
import { ExpressionList, pickValues, planLabels } from '../../../waypoint/telemetry/label-plan.ts';

const upsert = (text: string): TagChange => ({ kind: 'upsert', expression: compileExpression(text) });
const remove: TagChange = { kind: 'remove' };
const attributes = { request: new Map([['method', 'GET']]) };

function labels(tags: Record<string, TagChange>, emission: MetricChanges['emission'] = 'emitted'): unknown {
  const names = ['reporter', 'source_app', 'response_code'];
  const expressions = new ExpressionList(names.length);
  const plan = planLabels(names, { emission, tags: new Map(Object.entries(tags)) }, expressions);
  if (plan === undefined) return undefined;
  const values = pickValues(plan, ['waypoint', 'curl', '200', ...expressions.evaluate(attributes)]);
  return plan.names.map((name, index) => `${name}=${values[index]}`).join(' ');
}

t.test('tag changes shape the labels of a metric', async (t) => {
  t.equal(labels({}), 'reporter=waypoint source_app=curl response_code=200');
  t.equal(labels({ source_app: remove }), 'reporter=waypoint response_code=200');
  t.equal(
    labels({ source_app: upsert("'x'") }),
    'reporter=waypoint source_app=x response_code=200',
    'replaced in place',
  );
  t.equal(
    labels({ b: upsert('request.method'), c: upsert("''") }),
    'reporter=waypoint source_app=curl response_code=200 b=GET c=',
    'new ones last',
  );
  t.equal(labels({}, 'dropped'), undefined);
});

t.test('what cannot be is left out, what fails is unknown', async (t) => {
  t.equal(
    labels({ source_app: upsert('x ==') }),
    'reporter=waypoint response_code=200',
    'a standard tag that does not compile',
  );
  t.equal(
    labels({ b: upsert('x ==') }),
    'reporter=waypoint source_app=curl response_code=200',
    'a new tag that does not compile',
  );
  t.equal(labels({ b: upsert('cannot_evaluate') }), 'reporter=waypoint source_app=curl response_code=200 b=unknown');
  t.equal(
    labels({ request_protocol: upsert("'x'") }),
    'reporter=waypoint source_app=curl response_code=200',
    'a standard tag that this metric lacks',
  );
  t.equal(labels({ nothing: remove }), 'reporter=waypoint source_app=curl response_code=200');
  t.equal(
    labels({ 'my-tag': upsert("'x'") }),
    'reporter=waypoint source_app=curl response_code=200 my_tag=x',
    'a name that Prometheus refuses',
  );
});

t.test('an expression used twice is evaluated once', async (t) => {
  const expressions = new ExpressionList(2);
  const first = compileExpression('request.method');
  const second = compileExpression('request.method');
  if (first.kind === 'invalid' || second.kind === 'invalid') throw new Error('invalid');
  t.equal(expressions.indexOf(first), expressions.indexOf(second));
  t.equal(expressions.size, 1);
});
