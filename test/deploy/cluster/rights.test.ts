// The rights that deploy/cluster gives are those that the daemons use: what they watch, and nothing else.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parseAllDocuments } from 'yaml';
import {
  meshKinds,
  mixerKinds,
  type WatchedKind,
  waypointConfiguration,
  waypointKinds,
} from '../../../common/sources/kubernetes/watched-kinds.ts';

const folder = join(import.meta.dirname, '../../../deploy/cluster');
const system = 'istio-system';

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly verbs: readonly string[];
}

/** `group/resource`, with the one name where the right is limited to it, for each verb. */
function rightsOf(file: string, kind: 'ClusterRole' | 'Role'): readonly string[] {
  const documents = parseAllDocuments(readFileSync(join(folder, file), 'utf8'));
  const objects = documents.map((document) => document.toJS() as { kind: string; rules: readonly Rule[] });
  return objects
    .filter((object) => object.kind === kind)
    .flatMap(({ rules }) => rules)
    .flatMap(({ apiGroups, resources, resourceNames = [''], verbs }) =>
      apiGroups.flatMap((group) =>
        resources.flatMap((resource) =>
          resourceNames.flatMap((name) => verbs.map((verb) => `${verb} ${group}/${resource} ${name}`.trim())),
        ),
      ),
    )
    .sort();
}

/** What listing and watching these needs. */
function neededFor(kinds: readonly WatchedKind[]): readonly string[] {
  const needed = kinds.flatMap(({ versions: [version] }) => {
    const [, group = '', resource] =
      /^\/apis?\/(?:([^/]+\.[^/]+)\/)?v\w+\/(?:namespaces\/[^/]+\/)?(\w+)$/.exec(version?.path ?? '') ?? [];
    return ['list', 'watch'].map((verb) => `${verb} ${group}/${resource}`);
  });
  return [...new Set(needed)].sort();
}

const isMeshConfig = ({ kind }: WatchedKind): boolean => kind === 'ConfigMap';
const rightsToMeshConfig = ['list /configmaps istio', 'watch /configmaps istio'];

t.test('whoever reads the mesh from the Kubernetes API may read what both daemons watch', async (t) => {
  const kinds = [...meshKinds(system), ...waypointKinds, ...mixerKinds].filter((kind) => !isMeshConfig(kind));
  t.strictSame(rightsOf('mesh-rbac.yaml', 'ClusterRole'), neededFor(kinds));
  t.strictSame(rightsOf('mesh-rbac.yaml', 'Role'), rightsToMeshConfig);
});

t.test('a waypoint beside istiod may read what istiod does not tell it', async (t) => {
  const kinds = waypointConfiguration(system).filter((kind) => !isMeshConfig(kind));
  t.strictSame(rightsOf('waypoint.yaml', 'ClusterRole'), neededFor(kinds));
  t.strictSame(rightsOf('waypoint.yaml', 'Role'), rightsToMeshConfig);
});
