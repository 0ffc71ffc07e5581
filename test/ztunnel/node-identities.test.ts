// Which identities a node fetches certificates for ahead, and when it lets go of them.
import t from 'tap';
import { createMeshIndex } from '../../common/mesh/mesh-index.ts';
import { nothing } from '../../common/mesh/mesh-source.ts';
import type { Workload, WorkloadUid } from '../../common/mesh/workload.ts';
import { watchNodeIdentities } from '../../ztunnel/node-identities.ts';
import { aWorkload } from '../support/mesh-objects.ts';

function setUp() {
  const told: string[] = [];
  const mesh = createMeshIndex();
  const writer = watchNodeIdentities(mesh, {
    nodeName: 'here',
    onCome: ({ uri }) => void told.push(`+${uri.split('/').at(-1)}`),
    onGone: ({ uri }) => void told.push(`-${uri.split('/').at(-1)}`),
  });
  const apply = (workloads: readonly Workload[], removed: readonly string[] = []) =>
    writer.apply({ ...nothing, workloads, removedWorkloads: removed as readonly WorkloadUid[] });
  const takeTold = () => told.splice(0).join(' ');
  return { mesh, writer, apply, takeTold };
}

const pod = (name: string, serviceAccount: string, given: Partial<Workload> = {}): Workload =>
  aWorkload({ name, serviceAccount, node: 'here', ...given, addresses: [], services: {}, uid: name });

t.test('an identity comes with its first pod and goes with its last', async (t) => {
  const { apply, takeTold, mesh } = setUp();
  apply([pod('a', 'shop'), pod('b', 'shop'), pod('c', 'cart')]);
  t.equal(takeTold(), '+shop +cart');
  t.equal([...mesh.workloads()].length, 3, 'and the index has them');
  apply([pod('a', 'shop')], ['c']);
  t.equal(takeTold(), '-cart');
  apply([], ['a', 'unknown']);
  t.equal(takeTold(), '');
  apply([], ['b']);
  t.equal(takeTold(), '-shop');
});

t.test('pods of other nodes, and those that speak no HBONE, count for nothing', async (t) => {
  const { apply, takeTold } = setUp();
  apply([pod('a', 'far', { node: 'there' }), pod('b', 'plain', { tunnelProtocol: 'none' })]);
  t.equal(takeTold(), '');
  apply([pod('c', 'native', { tunnelProtocol: 'none', nativeTunnel: true })]);
  t.equal(takeTold(), '+native', 'but who speaks it without us does');
});

t.test('a pod that changes its account, or leaves the mesh, lets go of what it had', async (t) => {
  const { apply, takeTold } = setUp();
  apply([pod('a', 'one')]);
  apply([pod('a', 'two')]);
  t.equal(takeTold(), '+one +two -one');
  apply([pod('a', 'two', { tunnelProtocol: 'none' })]);
  t.equal(takeTold(), '-two');
});

t.test('what is removed and sent again in one update stays', async (t) => {
  const { apply, takeTold } = setUp();
  apply([pod('a', 'one')]);
  apply([pod('a', 'one')], ['a']);
  t.equal(takeTold(), '+one');
});

t.test('a snapshot replaces what was there', async (t) => {
  const { writer, takeTold } = setUp();
  writer.replace({ workloads: [pod('a', 'one'), pod('b', 'two')], services: [], policies: [] });
  writer.replace({ workloads: [pod('b', 'two'), pod('c', 'three')], services: [], policies: [] });
  t.equal(takeTold(), '+one +two +three -one');
});
