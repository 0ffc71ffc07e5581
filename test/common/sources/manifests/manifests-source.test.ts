import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { MeshSnapshot } from '../../../../common/mesh/mesh-source.ts';
import type { KubernetesObject } from '../../../../common/sources/kubernetes-object.ts';
import { createManifestsReader } from '../../../../common/sources/manifests/manifests-reader.ts';
import { createManifestsSource } from '../../../../common/sources/manifests/manifests-source.ts';
import { formatResourceProblem } from '../../../../common/sources/resource-problem.ts';
import { recordingLog } from './recording-log.ts';

const pod = (name: string, ip = '10.0.0.1'): string =>
  `{ apiVersion: v1, kind: Pod, metadata: { name: ${name} }, status: { podIP: ${ip} } }\n`;

/** A source over the paths, and a way to wait until what it wrote satisfies a condition. */
async function startSource(t: Test, paths: readonly string[]) {
  const log = recordingLog();
  let snapshot: MeshSnapshot | undefined;
  let problems: readonly string[] = [];
  let wake = (): void => {};
  const source = createManifestsSource({
    paths,
    config: {},
    log,
    writer: {
      apply() {
        t.fail('manifests are written whole');
      },
      replace(next) {
        snapshot = next;
      },
    },
    onProblems(next) {
      problems = next.map(formatResourceProblem);
      wake();
    },
    onObjects: () => wake(),
  });
  t.teardown(() => source.close());
  const names = (): readonly string[] => snapshot?.workloads.map(({ name }) => name) ?? [];
  const until = async (isSo: () => boolean): Promise<void> => {
    while (!isSo()) await new Promise<void>((resolve) => (wake = resolve));
  };
  return { source, log, names, until, problems: () => problems };
}

t.test('the mesh follows files that are added, changed, replaced and removed', async (t) => {
  const folder = t.testdir({ 'a.yaml': pod('one'), sub: { 'b.json': '{"apiVersion":"v1","kind":"List","items":[]}' } });
  const { source, names, until } = await startSource(t, [folder]);
  await source.start();
  t.same(names(), ['one']);
  await writeFile(join(folder, 'a.yaml'), pod('two'));
  await until(() => names()[0] === 'two');
  await writeFile(join(folder, 'sub', 'c.yml'), pod('three', '10.0.0.3'));
  await until(() => names().length === 2);
  await writeFile(join(folder, '.c.yml.tmp'), pod('four', '10.0.0.4'));
  await rename(join(folder, '.c.yml.tmp'), join(folder, 'sub', 'c.yml'));
  await until(() => names().includes('four'));
  await rm(join(folder, 'sub'), { recursive: true });
  await until(() => names().length === 1);
  await mkdir(join(folder, 'later'));
  await writeFile(join(folder, 'later', 'd.yaml'), pod('five', '10.0.0.5'));
  await until(() => names().length === 2);
  t.same(names(), ['five', 'two']);
});

t.test('a single file is followed through atomic replacement', async (t) => {
  const folder = t.testdir({ 'objects.json': '{"apiVersion":"v1","kind":"List","items":[]}' });
  const file = join(folder, 'objects.json');
  const { source, names, until } = await startSource(t, [file]);
  await source.start();
  t.same(names(), []);
  for (const name of ['one', 'two', 'three']) {
    const item = { apiVersion: 'v1', kind: 'Pod', metadata: { name }, status: { podIP: '10.0.0.1' } };
    await writeFile(`${file}.new`, JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [item] }));
    await rename(`${file}.new`, file);
    await until(() => names()[0] === name);
  }
});

t.test(
  'a broken edit is told once with file and line, and its last good state serves until it is mended',
  async (t) => {
    const folder = t.testdir({ 'a.yaml': pod('one'), 'b.yaml': pod('two', '10.0.0.2') });
    const { source, names, until, problems, log } = await startSource(t, [folder]);
    await source.start();
    await writeFile(join(folder, 'a.yaml'), `${pod('one')}---\n{ kind: Service, metadata: [`);
    await until(() => problems().length === 1);
    await writeFile(join(folder, 'b.yaml'), pod('three', '10.0.0.3'));
    await until(() => names().includes('three'));
    t.same(names(), ['one', 'three']);
    t.match(problems(), [/a\.yaml:[23]: Service: document 2: /]);
    t.equal(
      log.lines.filter(({ level }) => level === 'error').length,
      1,
      'one line, though the file was looked at twice',
    );
    await writeFile(join(folder, 'a.yaml'), pod('four'));
    await until(() => problems().length === 0);
    t.same(names(), ['four', 'three']);
  },
);

t.test('an object that goes bad keeps its last good version', async (t) => {
  const folder = t.testdir({ 'a.yaml': pod('one') });
  const { source, names, until, problems } = await startSource(t, [folder]);
  await source.start();
  await writeFile(join(folder, 'a.yaml'), `${pod('one', 'nowhere')}---\n${pod('two', '10.0.0.2')}`);
  await until(() => problems().length > 0);
  t.same(names(), ['one', 'two']);
  t.match(problems(), [/a\.yaml:1: Pod default\/one: status\.podIP is "nowhere", not an IP address/]);
});

t.test('starting is refused where nothing at all can be read, and only there', async (t) => {
  const folder = t.testdir({
    empty: {},
    bad: { 'a.yaml': '{ kind: [' },
    half: { 'a.yaml': '{ kind: [', 'b.yaml': pod('b') },
  });
  for (const path of ['empty', 'bad', 'absent']) {
    const { source } = await startSource(t, [join(folder, path)]);
    await t.rejects(source.start(), { code: 'CONFIG_INVALID', message: path }, path);
  }
  const { source, names } = await startSource(t, [join(folder, 'half'), join(folder, 'absent')]);
  await source.start();
  t.same(names(), ['b']);
});

t.test('a path that appears later is read then', async (t) => {
  const folder = t.testdir({ 'a.yaml': pod('one') });
  const { source, names, until, problems } = await startSource(t, [join(folder, 'a.yaml'), join(folder, 'b.yaml')]);
  await source.start();
  t.match(problems(), [/b\.yaml: does not exist; correct the path/]);
  await writeFile(join(folder, 'b.yaml'), pod('two', '10.0.0.2'));
  await until(() => names().length === 2);
  t.same(problems(), []);
});

t.test('links are followed, and a loop of links ends', async (t) => {
  const folder = t.testdir({ real: { 'a.yaml': pod('one') }, seen: {} });
  await symlink(join(folder, 'real', 'a.yaml'), join(folder, 'seen', 'a.yaml'));
  await symlink(join(folder, 'seen'), join(folder, 'seen', 'loop'));
  const { source, names, problems } = await startSource(t, [join(folder, 'seen')]);
  await source.start();
  t.same(names(), ['one']);
  t.same(problems(), []);
});

t.test('a file that cannot be read is told, and the others serve', async (t) => {
  const folder = t.testdir({ 'a.yaml': pod('one') });
  await symlink('b.yaml', join(folder, 'b.yaml'));
  const { source, names, problems } = await startSource(t, [folder]);
  await source.start();
  t.same(names(), ['one']);
  t.match(problems(), [/b\.yaml: cannot be read \(ELOOP/]);
});

t.test('the reader hands on objects it has no use for itself', async (t) => {
  const folder = t.testdir({
    'a.yaml': '{ apiVersion: apps/v1, kind: Deployment, metadata: { name: web }, spec: { replicas: 2 } }',
  });
  let objects: readonly KubernetesObject[] = [];
  const reader = createManifestsReader({ paths: [folder], log: recordingLog(), onObjects: (next) => (objects = next) });
  await reader.start();
  await reader.close();
  t.match(objects, [{ kind: 'Deployment', spec: { replicas: 2 } }]);
});

const shared = process.env['AMBIENTD_SHARED'] ?? new URL('../../../../../shared', import.meta.url).pathname;
const manifests = `${shared}/manifests`;
const skip = existsSync(manifests) ? false : `the manifests of users are not at ${manifests}`;

t.test("the users' manifests are accepted unchanged", { skip }, async (t) => {
  const podinfo = await startSource(t, [`${manifests}/podinfo-per-route.yaml`]);
  await podinfo.source.start();
  t.same(podinfo.problems(), []);
  t.match(await readFile(`${manifests}/podinfo-per-route.yaml`, 'utf8'), /istio_operationId/);

  const all = await startSource(t, [manifests]);
  await all.source.start();
  t.same(
    all.log.lines.filter(({ level }) => level !== 'info'),
    [],
    'nor is the configuration of Prometheus among them an error',
  );
  t.equal(all.problems().length, 1);
  t.match(all.problems(), [/prometheus-scrape\.yaml:1: is no Kubernetes object/]);
});
