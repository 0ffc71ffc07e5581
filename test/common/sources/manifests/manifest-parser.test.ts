import t from 'tap';
import { maxManifestBytes, parseManifest } from '../../../../common/sources/manifests/manifest-parser.ts';
import { formatResourceProblem } from '../../../../common/sources/resource-problem.ts';

function parse(text: string, file = 'mesh.yaml'): { objects: unknown[]; problems: string[]; state: string } {
  const { objects, problems, state } = parseManifest(text, file);
  const named = objects.map(
    ({ kind, metadata, origin }) => `${kind} ${metadata.namespace}/${metadata.name} ${origin?.file}:${origin?.line}`,
  );
  return { objects: named, problems: problems.map(formatResourceProblem), state };
}

const pod = (name: string): string => `apiVersion: v1\nkind: Pod\nmetadata:\n  name: ${name}\n`;

t.test('each document of a YAML file is an object with its line; empty documents are nothing', async (t) => {
  t.strictSame(parse(`# first\n---\n${pod('a')}---\n---\n# comment\n${pod('b')}---\n`), {
    objects: ['Pod default/a mesh.yaml:3', 'Pod default/b mesh.yaml:10'],
    problems: [],
    state: 'whole',
  });
});

t.test('an object without a namespace goes to default, a cluster-wide one to none', async (t) => {
  t.strictSame(parse('{ apiVersion: v1, kind: Namespace, metadata: { name: shop, namespace: x } }').objects, [
    'Namespace /shop mesh.yaml:1',
  ]);
});

t.test('JSON is read by its ending', async (t) => {
  const text = JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a', namespace: 'n' } });
  t.strictSame(parse(text, 'objects.json').objects, ['Pod n/a objects.json:undefined']);
});

t.test('lists hold objects, and items of a typed list take its kind', async (t) => {
  const item = { apiVersion: 'v1', kind: 'Service', metadata: { name: 's' } };
  const typed = { apiVersion: 'v1', kind: 'PodList', items: [{ metadata: { name: 'p' } }] };
  const text = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [item, typed] });
  t.strictSame(parse(text, 'l.json').objects, ['Service default/s l.json:undefined', 'Pod default/p l.json:undefined']);
  t.strictSame(parse(JSON.stringify({ apiVersion: 'v1', kind: 'PodList', items: [] }), 'l.json'), {
    objects: [],
    problems: [],
    state: 'whole',
  });
  t.strictSame(parse('{ apiVersion: x/v1, kind: AllowList, metadata: { name: a } }').objects, [
    'AllowList default/a mesh.yaml:1',
  ]);
});

t.test('lists nested too deeply are refused', async (t) => {
  let value: unknown = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a' } };
  for (let depth = 0; depth < 50; depth++) value = { apiVersion: 'v1', kind: 'List', items: [value] };
  const { objects, state } = parse(JSON.stringify(value), 'l.json');
  t.same([objects, state], [[], 'broken']);
});

t.test('a document that is no YAML is named by file, line and object; the others are read', async (t) => {
  const broken = 'apiVersion: v1\nkind: Service\nmetadata:\n  name: web\n  namespace: shop\nspec:\n  ports: [\n';
  const { objects, problems, state } = parse(`${pod('a')}---\n${broken}---\n${pod('b')}`);
  t.same(objects, ['Pod default/a mesh.yaml:1', 'Pod default/b mesh.yaml:14']);
  t.equal(state, 'broken');
  t.match(problems[0], /^mesh\.yaml:1\d: Service shop\/web: document 2: /);
  t.equal(problems.length, 1);
});

t.test('a broken JSON file is named by line', async (t) => {
  const { problems, state } = parse('{\n  "apiVersion": "v1",\n  kind: 1\n}', 'objects.json');
  t.equal(state, 'broken');
  t.match(problems[0], /^objects\.json:3: /);
  t.match(parse('{\n "a": 1,', 'half.json').problems[0], /^half\.json:\d: /);
});

t.test('a key that is written twice is an error', async (t) => {
  t.match(parse('apiVersion: v1\nkind: Pod\nkind: Service\nmetadata: { name: a }\n').problems[0], /^mesh\.yaml:3: /);
});

t.test('what is no Kubernetes object is noted, what is half of one is an error', async (t) => {
  t.match(parse('scrape_configs: []\n').problems[0], /is no Kubernetes object/);
  t.equal(parse('scrape_configs: []\n').state, 'whole');
  t.match(parse('kind: Pod\nmetadata: { name: a }\n').problems[0], /^mesh\.yaml:1: Pod a: apiVersion is missing; /);
  t.match(parse('apiVersion: v1\nkind: Pod\n').problems[0], /metadata\.name is missing/);
  t.match(parse('just words\n').problems[0], /is "just words", not a mapping/);
});

t.test('labels must be text, as the API server has it', async (t) => {
  const { problems } = parse('apiVersion: v1\nkind: Pod\nmetadata: { name: a, labels: { on: true } }\n');
  t.match(problems[0], /Pod a: metadata\.labels\.on is true, not text; put it in quotes/);
});

t.test('anchors and merges are followed', async (t) => {
  const text = `${pod('a')}  labels: &l { app: web }\n  annotations: { <<: *l, b: c }\n`;
  t.strictSame(parseManifest(text, 'a.yaml').objects[0]?.metadata.annotations, { app: 'web', b: 'c' });
});

t.test('anchors that multiply without bound are refused', async (t) => {
  const bomb = ['a: &a [x, x, x, x, x, x, x, x, x]'];
  for (const [from, to] of ['ab', 'bc', 'cd', 'de', 'ef', 'fg'].map((pair) => [...pair])) {
    bomb.push(`${to}: &${to} [*${from}, *${from}, *${from}, *${from}, *${from}, *${from}, *${from}, *${from}]`);
  }
  const { problems, state } = parse(`${pod('a')}spec:\n${bomb.map((line) => `  ${line}\n`).join('')}`);
  t.equal(state, 'broken');
  t.match(problems[0], /Excessive alias count/);
});

t.test('nesting without end is refused, not fatal', async (t) => {
  t.equal(parse(`a: ${'['.repeat(100_000)}`).state, 'broken');
  t.equal(parse('['.repeat(100_000), 'deep.json').state, 'broken');
});

t.test('a text beyond the limit is refused', async (t) => {
  const { problems } = parse('#'.repeat(maxManifestBytes + 1));
  t.match(problems[0], /^mesh\.yaml: is larger than 32 MiB/);
});

t.test('any cut of a manifest gives objects or problems, never an exception', async (t) => {
  const text = `${pod('a')}spec: { ports: [{ "x": 'y' }], z: |\n    block\n  }\n---\n${pod('b')}`;
  for (let end = 0; end <= text.length; end++) {
    t.doesNotThrow(() => parseManifest(text.slice(0, end), 'cut.yaml'), `cut at ${end}`);
    t.doesNotThrow(() => parseManifest(text.slice(end), 'cut.yaml'), `from ${end}`);
  }
});
