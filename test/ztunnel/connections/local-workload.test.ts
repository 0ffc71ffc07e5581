// The pod that a proxy stands for: found at once, waited for, or unknown.
import t from 'tap';
import { createLocalWorkload } from '../../../ztunnel/connections/local-workload.ts';
import { aWorkload, meshOf } from '../../support/mesh-objects.ts';

const name = { name: 'server', namespace: 'default', serviceAccount: 'server' };
const server = aWorkload({ name: 'server', node: 'here' });

t.test('is found by the name that its node gave', async (t) => {
  const local = createLocalWorkload({ mesh: meshOf({ workloads: [server] }), name, nodeName: 'here' });
  t.equal((await local.get()).uid, server.uid);
  t.equal(local.current()?.uid, server.uid);
});

t.test('is waited for until the mesh tells of it', async (t) => {
  const mesh = meshOf({});
  const local = createLocalWorkload({ mesh, name, nodeName: 'here', waitMs: 60_000 });
  const found = local.get();
  mesh.replace({ workloads: [aWorkload({ name: 'other' })], services: [], policies: [] });
  t.equal(local.current(), undefined);
  mesh.replace({ workloads: [server], services: [], policies: [] });
  t.equal((await found).uid, server.uid);
});

t.test('is unknown on another node, when the time is up', async (t) => {
  // Stands for the connection that waits.
  const alive = setInterval(() => {}, 1_000);
  t.teardown(() => clearInterval(alive));
  const mesh = meshOf({ workloads: [server] });
  const local = createLocalWorkload({ mesh, name, nodeName: 'there', waitMs: 1 });
  await t.rejects(local.get(), {
    code: 'WORKLOAD_UNKNOWN',
    message: /^failed to fetch information about local workload: server\.default \(server\).* on node there/,
  });
});
