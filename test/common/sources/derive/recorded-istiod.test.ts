// The derivation gives what the real istiod gave for the same objects, case by case, field by field.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import t from 'tap';
import { deriveMesh } from '../../../../common/sources/derive/derive-mesh.ts';
import { defaultMeshSettings, type MeshSettings } from '../../../../common/sources/derive/mesh-settings.ts';
import { type WdsJson, wdsJson } from '../../../../common/sources/derive/wds-json.ts';
import { type KubernetesObject, parseKubernetesObject } from '../../../../common/sources/kubernetes-object.ts';
import { readResources } from '../../../../common/sources/resources.ts';

const shared = process.env['AMBIENTD_SHARED'] ?? new URL('../../../../../shared', import.meta.url).pathname;
const folder = `${shared}/lab/fixtures`;

/** Environment of istiod in the cases that say so. */
const settingsOf: Readonly<Record<string, Partial<MeshSettings>>> = {
  '70-dry-run-enabled': { dryRunPolicies: 'rehearsed' },
  '71-auto-allow-waypoint': { waypointAdmission: 'automatic' },
};

/** Faults of istiod: the workload of which we say something else, and the fields we say instead. */
const betterThanIstiod: Readonly<Record<string, { why: string; workload: string; fields: Record<string, unknown> }>> = {
  '36-quirk-endpoint-network': {
    why: 'an endpoint that names no network is in the cluster network, whatever the one before it named',
    workload: 'Kubernetes/networking.istio.io/ServiceEntry/quirk-net/leaking/198.51.100.202',
    fields: { network: undefined },
  },
  '47-quirk-empty-selector': {
    why: 'an empty selector selects every workload of the namespace',
    workload: 'Kubernetes//Pod/quirk-selector/web',
    fields: { authorizationPolicies: ['quirk-selector/empty-labels', 'quirk-selector/empty-selector'] },
  },
  '54-quirk-disabled-port': {
    why: 'a port on DISABLE is open, as one on PERMISSIVE is',
    workload: 'Kubernetes//Pod/quirk-port/web',
    fields: { authorizationPolicies: ['quirk-port/converted_peer_authentication_port-disable'] },
  },
};

interface Fixture {
  readonly objects: readonly KubernetesObject[];
  readonly wds: WdsJson;
}

function readFixture(name: string): Fixture {
  const list: { items: unknown[] } = JSON.parse(readFileSync(`${folder}/${name}/objects.json`, 'utf8'));
  const wds: WdsJson = JSON.parse(readFileSync(`${folder}/${name}/wds.json`, 'utf8'));
  return { objects: list.items.map((item) => parseKubernetesObject(item, undefined)), wds };
}

function byName(resources: WdsJson[keyof WdsJson]): Readonly<Record<string, unknown>> {
  return Object.fromEntries(resources.map(({ name, resource }) => [name, resource]));
}

function expectedOf(name: string, recorded: WdsJson): WdsJson {
  const better = betterThanIstiod[name];
  if (better === undefined) return recorded;
  const mended = recorded['istio.workload.Address'].map((entry) => {
    if (entry.name !== better.workload) return entry;
    const { workload } = entry.resource as { workload: Record<string, unknown> };
    return { ...entry, resource: { workload: JSON.parse(JSON.stringify({ ...workload, ...better.fields })) } };
  });
  return { ...recorded, 'istio.workload.Address': mended };
}

const skip = existsSync(folder) ? false : `no recordings of istiod at ${folder}`;

t.test('the mesh is what istiod derives', { skip }, async (t) => {
  for (const name of readdirSync(folder).filter((entry) => /^\d/.test(entry))) {
    const why = betterThanIstiod[name]?.why;
    t.test(why === undefined ? name : `${name}, except that ${why}`, async (t) => {
      const { objects, wds } = readFixture(name);
      const { resources, problems } = readResources(objects, 'istio-system');
      t.same(problems, [], 'every object could be read');
      const derived = wdsJson(deriveMesh(resources, { ...defaultMeshSettings, ...settingsOf[name] }).snapshot);
      const expected = expectedOf(name, wds);
      for (const type of ['istio.workload.Address', 'istio.security.Authorization'] as const) {
        t.strictSame(byName(derived[type]), byName(expected[type]), type);
      }
    });
  }
});
