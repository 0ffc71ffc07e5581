// What a decision missed, under the names by which a control plane is asked.
import t from 'tap';
import { noteMissedNames } from '../../../common/mesh/missed-names.ts';
import { aService, at, aWorkload, meshOf, vip } from '../../support/mesh-objects.ts';

const known = meshOf({
  workloads: [aWorkload({ name: 'a', addresses: ['10.0.0.1'] })],
  services: [
    aService({ name: 's', namespace: 'shop', hostname: 's.shop.svc.cluster.local', addresses: [vip('10.1.0.1')] }),
  ],
});

t.test('an address is missed when it is neither a workload nor a service, in either order', async (t) => {
  const { mesh, missed } = noteMissedNames(known);
  mesh.workloadByAddress('', at('10.1.0.1'));
  t.same(missed(), ['/10.1.0.1']);
  t.ok(mesh.serviceByAddress('', at('10.1.0.1'), undefined));
  mesh.serviceByAddress('', at('10.0.0.1'), undefined);
  t.ok(mesh.workloadByAddress('', at('10.0.0.1')));
  t.same(missed(), []);
  mesh.workloadByAddress('net', at('fd00::1'));
  mesh.serviceByAddress('net', at('fd00::1'), 'shop');
  t.same(missed(), ['net/fd00::1']);
});

t.test('a gateway is missed when neither a service nor a workload has its name', async (t) => {
  const { mesh, missed } = noteMissedNames(known);
  t.ok(mesh.serviceByKey({ namespace: 'shop', hostname: 's.shop.svc.cluster.local' }));
  mesh.serviceByKey({ namespace: 'shop', hostname: 'waypoint' });
  mesh.workloadByHostname({ namespace: 'shop', hostname: 'waypoint' });
  t.same(missed(), ['shop/waypoint']);
});

t.test("a hostname is asked for in the namespace that it names, else in the client's", async (t) => {
  const { mesh, missed } = noteMissedNames(known);
  mesh.serviceByHostname('x.other.svc.cluster.local', 'shop');
  mesh.serviceByHostname('example.com', 'shop');
  mesh.serviceByHostname('example.org', undefined);
  t.same(missed(), ['other/x.other.svc.cluster.local', 'shop/example.com']);
});

t.test('it answers as the mesh does', async (t) => {
  const { mesh } = noteMissedNames(known);
  t.same([...mesh.workloads()], [...known.workloads()]);
  t.same([...mesh.services()], [...known.services()]);
  t.equal(mesh.revision, known.revision);
});
