import t from 'tap';
import { Field, MalformedField } from '../../../common/sources/field.ts';

const pod = new Field('spec', {
  ports: [{ port: 80 }, { port: 'http' }],
  on: 'yes',
  labels: { a: 'b', n: 1 },
  none: null,
});

function pathOf(read: () => unknown): string {
  try {
    read();
  } catch (error) {
    if (error instanceof MalformedField) return error.path;
    throw error;
  }
  return 'read without an error';
}

t.test('a field is read where it holds what it should', async (t) => {
  const [first] = pod.at('ports').items();
  t.equal(first?.at('port').requiredPort(), 80);
  t.equal(pod.at('on').text(), 'yes');
});

t.test('an absent or null field is empty', async (t) => {
  for (const name of ['missing', 'none']) {
    t.equal(pod.at(name).isAbsent, true);
    t.equal(pod.at(name).text(), '');
    t.same(pod.at(name).items(), []);
    t.same(pod.at(name).textMap(), {});
    t.equal(pod.at(name).at('deeper').at('still').number(0, 1), undefined);
  }
});

t.test('a malformed field is named by its path', async (t) => {
  t.equal(
    pathOf(() => pod.at('ports').items()[1]?.at('port').requiredPort()),
    'spec.ports[1].port',
  );
  t.equal(
    pathOf(() => pod.at('labels').textMap()),
    'spec.labels.n',
  );
  t.equal(
    pathOf(() => pod.at('on').items()),
    'spec.on',
  );
  t.equal(
    pathOf(() => pod.at('on').record()),
    'spec.on',
  );
  t.equal(
    pathOf(() => pod.at('on').flag()),
    'spec.on',
  );
  t.equal(
    pathOf(() => pod.at('on').number(0, 9)),
    'spec.on',
  );
  t.equal(
    pathOf(() => pod.at('on').oneOf(['a', 'b'])),
    'spec.on',
  );
  t.equal(
    pathOf(() => pod.onlyMembers(['ports', 'on', 'labels'])),
    'spec.none',
  );
  t.equal(
    pathOf(() => new Field('rules', [null]).items()),
    'rules[0]',
  );
});

t.test('names that objects inherit are no fields', async (t) => {
  t.equal(pod.at('constructor').isAbsent, true);
  t.equal(pod.at('__proto__').isAbsent, true);
});

t.test('numbers are whole and within their bounds', async (t) => {
  for (const value of [0, 65536, 1.5, Number.NaN, '80']) {
    t.equal(
      pathOf(() => new Field('port', value).requiredPort()),
      'port',
      String(value),
    );
  }
});
