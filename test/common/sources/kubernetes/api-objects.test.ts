// What the API server says, narrowed; and what is kept of its objects.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import t from 'tap';
import { deriveMesh } from '../../../../common/sources/derive/derive-mesh.ts';
import { defaultMeshSettings } from '../../../../common/sources/derive/mesh-settings.ts';
import { parseListPage, parseWatchEvent, reasonOfRefusal } from '../../../../common/sources/kubernetes/api-objects.ts';
import { slimObject } from '../../../../common/sources/kubernetes/slim-object.ts';
import { parseKubernetesObject } from '../../../../common/sources/kubernetes-object.ts';
import { readResources } from '../../../../common/sources/resources.ts';

const pods = { apiVersion: 'v1', kind: 'Pod' };
const silent = (): void => {};

t.test('items of a list get the kind that they do not say', async (t) => {
  const page = parseListPage(
    {
      metadata: { resourceVersion: '7', continue: 'more' },
      items: [{ metadata: { name: 'a', resourceVersion: '3' } }],
    },
    pods,
    silent,
  );
  t.match(page, { resourceVersion: '7', continueToken: 'more' });
  t.match(page.objects, [{ key: '/Pod/default/a', resourceVersion: '3', object: { kind: 'Pod' } }]);
});

t.test('an item that is no object is left out and told, the others are read', async (t) => {
  const told: string[] = [];
  const page = parseListPage({ items: [{ metadata: {} }, 7, { metadata: { name: 'a' } }] }, pods, (why) =>
    told.push(why),
  );
  t.same(
    page.objects.map(({ key }) => key),
    ['/Pod/default/a'],
  );
  t.equal(told.length, 2);
});

t.test('events of a watch', async (t) => {
  const event = (value: unknown) => parseWatchEvent(JSON.stringify(value), pods, silent);
  const object = { metadata: { name: 'a', resourceVersion: '3' } };
  t.match(event({ type: 'ADDED', object }), { kind: 'put', listed: { key: '/Pod/default/a' } });
  t.match(event({ type: 'MODIFIED', object }), { kind: 'put' });
  t.match(event({ type: 'DELETED', object }), { kind: 'gone' });
  t.same(event({ type: 'BOOKMARK', object: { metadata: { resourceVersion: '9' } } }), {
    kind: 'bookmark',
    resourceVersion: '9',
  });
  t.same(event({ type: 'ERROR', object: { code: 410, message: 'gone' } }), {
    kind: 'error',
    status: 410,
    reason: 'gone',
  });
  t.equal(event({ type: 'NOVEL', object }), undefined);
  t.throws(() => parseWatchEvent('{', pods, silent));
});

t.test('a refusal is told in the words of the API server, or of whoever answered', async (t) => {
  t.equal(reasonOfRefusal('{"kind":"Status","message":"pods is forbidden"}'), 'pods is forbidden');
  t.equal(reasonOfRefusal('<html>bad gateway'), '<html>bad gateway');
});

t.test('of a pod only what is read is kept', async (t) => {
  const pod = {
    ...pods,
    metadata: {
      name: 'a',
      managedFields: [{}],
      annotations: { 'ambient.istio.io/redirection': 'enabled', other: 'x' },
    },
    spec: { nodeName: 'n', volumes: [{}], containers: [{ image: 'i', env: [{}], ports: [{ containerPort: 80 }] }] },
    status: {
      podIP: '10.0.0.1',
      hostIP: '1.1.1.1',
      conditions: [{ type: 'Ready', status: 'True', reason: 'x' }, { type: 'Other' }],
    },
  };
  t.same(JSON.parse(JSON.stringify(slimObject('Pod', pod))), {
    ...pods,
    metadata: { name: 'a', annotations: { 'ambient.istio.io/redirection': 'enabled' } },
    spec: { nodeName: 'n', containers: [{ ports: [{ containerPort: 80 }] }] },
    status: { podIP: '10.0.0.1', conditions: [{ type: 'Ready', status: 'True' }] },
  });
});

const shared = process.env['AMBIENTD_SHARED'] ?? new URL('../../../../../shared', import.meta.url).pathname;
const folder = `${shared}/lab/fixtures`;
const skip = existsSync(folder) ? false : `no recordings of a cluster at ${folder}`;

t.test('nothing that the mesh is made of is cut away', { skip }, async (t) => {
  for (const name of readdirSync(folder).filter((entry) => /^\d/.test(entry))) {
    const { items }: { items: { kind: string }[] } = JSON.parse(readFileSync(`${folder}/${name}/objects.json`, 'utf8'));
    const derive = (values: readonly unknown[]) => {
      const objects = values.map((value) => parseKubernetesObject(value, undefined));
      return deriveMesh(readResources(objects, 'istio-system').resources, defaultMeshSettings);
    };
    const slim = derive(items.map((item) => slimObject(item.kind, item)));
    t.strictSame(slim.snapshot, derive(items).snapshot, name);
  }
});
