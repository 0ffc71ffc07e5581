import t from 'tap';
import {
  type ManifestFile,
  type ManifestState,
  nextManifestState,
  noManifests,
} from '../../../../common/sources/manifests/manifest-state.ts';
import { formatResourceProblem } from '../../../../common/sources/resource-problem.ts';

const read = (file: string, text: string): ManifestFile => ({ kind: 'read', file, text });
const unchanged = (file: string): ManifestFile => ({ kind: 'unchanged', file });
const service = (name: string, port: number | string = 80): string =>
  `{ apiVersion: v1, kind: Service, metadata: { name: ${name} }, spec: { ports: [{ port: ${port} }] } }\n`;
const names = (state: ManifestState): readonly string[] => state.objects.map(({ metadata }) => metadata.name);

t.test('a broken edit keeps the last good objects of its file, and of no other', async (t) => {
  const before = nextManifestState(noManifests, [
    read('a.yaml', `${service('one')}---\n${service('two')}`),
    read('b.yaml', service('three')),
  ]);
  const after = nextManifestState(before, [read('a.yaml', `${service('four')}---\n{ kind: [`), unchanged('b.yaml')]);
  t.same(names(after), ['one', 'two', 'three']);
  t.match(after.problems.map(formatResourceProblem), [/^a\.yaml:3: document 2: /]);
  const mended = nextManifestState(after, [read('a.yaml', service('four')), unchanged('b.yaml')]);
  t.same(names(mended), ['four', 'three']);
  t.same(mended.problems, []);
});

t.test('a file that was never good gives what can be read of it', async (t) => {
  t.same(names(nextManifestState(noManifests, [read('a.yaml', `${service('one')}---\n{ kind: [`)])), ['one']);
});

t.test('a file that cannot be read keeps its objects, one that is gone does not', async (t) => {
  const before = nextManifestState(noManifests, [read('a.yaml', service('one'))]);
  const problem = { severity: 'error', message: 'may not be read', remedy: 'make it readable' } as const;
  t.same(names(nextManifestState(before, [{ kind: 'failed', file: 'a.yaml', problem }])), ['one']);
  t.same(names(nextManifestState(before, [])), []);
});

t.test('of an object that is written twice the later is used, with a warning that names both', async (t) => {
  const state = nextManifestState(noManifests, [read('a.yaml', service('web', 1)), read('b.yaml', service('web', 2))]);
  t.same(
    state.objects.map(({ origin }) => origin?.file),
    ['b.yaml'],
  );
  t.same(state.problems.map(formatResourceProblem), [
    'b.yaml:1: Service default/web: is written twice, first in a.yaml:1; this later one is used; remove the other',
  ]);
});

t.test('kinds that are not used are told once, by name', async (t) => {
  const custom = (kind: string): string => `{ apiVersion: example.com/v1, kind: ${kind}, metadata: { name: x } }\n`;
  const state = nextManifestState(noManifests, [
    read('a.yaml', custom('Widget')),
    read('b.yaml', `${custom('Widget')}---\n${custom('Gadget')}`),
  ]);
  t.match(
    state.problems.filter(({ severity }) => severity === 'note').map(({ message }) => message),
    ['kinds that are not used yet: Gadget (example.com), Widget (example.com)'],
  );
});
