import t from 'tap';
import { WorkloadTable } from '../../../common/mesh/workload-table.ts';
import { aService, at, aWorkload, ports } from '../../support/mesh-objects.ts';

const service = aService({ name: 's' });
const key = 'default/s.default.svc.cluster.local';
const allowAll = aService({
  name: 's',
  loadBalancing: { mode: 'standard', routingPreference: [], healthPolicy: 'allow-all' },
});

t.test('of workloads with one address the pod wins, then the one that speaks HBONE, then the last one sent', (t) => {
  const ip = at('10.0.0.1');
  const addresses = ['10.0.0.1'];
  const entry = aWorkload({ name: 'entry', uid: 'c/networking/WorkloadEntry/default/e', addresses });
  const plainEntry = aWorkload({ name: 'plain-entry', uid: 'c//Entry/p', addresses, tunnelProtocol: 'none' });
  const plainPod = aWorkload({ name: 'plain-pod', addresses, tunnelProtocol: 'none' });
  const pod = aWorkload({ name: 'pod', addresses });
  const laterPod = aWorkload({ name: 'later-pod', addresses });
  const table = new WorkloadTable();
  const rows = [
    [plainEntry, 'plain-entry'],
    [entry, 'entry'],
    [plainPod, 'plain-pod'],
    [pod, 'pod'],
    [laterPod, 'later-pod'],
    [{ ...plainEntry, node: 'n' }, 'later-pod'],
  ] as const;
  for (const [workload, winner] of rows) {
    table.put(workload);
    t.equal(table.findByAddress('', ip)?.name, winner, `after ${workload.name}`);
  }
  for (const [gone, next] of [
    [laterPod, 'pod'],
    [pod, 'plain-pod'],
    [plainPod, 'entry'],
    [entry, 'plain-entry'],
    [plainEntry, undefined],
  ] as const) {
    table.remove(gone.uid);
    t.equal(table.findByAddress('', ip)?.name, next, `without ${gone.name}`);
  }
  t.end();
});

t.test('an address belongs to its network', (t) => {
  const table = new WorkloadTable();
  table.put(aWorkload({ name: 'a', network: 'one', addresses: ['10.0.0.1', 'fd00::1'] }));
  t.equal(table.findByAddress('one', at('10.0.0.1'))?.name, 'a');
  t.equal(table.findByAddress('one', at('fd00::1'))?.name, 'a');
  t.equal(table.findByAddress('two', at('10.0.0.1')), undefined);
  t.equal(table.findByAddress('', at('10.0.0.1')), undefined);
  t.end();
});

t.test('a host-network workload is no address, but an endpoint', (t) => {
  const table = new WorkloadTable();
  table.put(aWorkload({ name: 'a', addresses: ['10.0.0.1'], networkMode: 'host-network', services: { [key]: [] } }));
  t.equal(table.findByAddress('', at('10.0.0.1')), undefined);
  t.equal(table.endpointsOf(service).length, 1);
  t.end();
});

t.test('a workload is found by name, namespace and service account, on the node asked for', (t) => {
  const table = new WorkloadTable();
  const name = { name: 'a', namespace: 'default', serviceAccount: 'a' };
  table.put(aWorkload({ name: 'a', uid: 'one', node: 'node-1' }));
  table.put(aWorkload({ name: 'a', uid: 'two', node: 'node-2' }));
  t.equal(table.findByName(name, 'node-1')?.uid, 'one');
  t.equal(table.findByName(name, 'node-2')?.uid, 'two');
  t.equal(table.findByName(name, 'node-3'), undefined);
  t.equal(table.findByName(name, undefined)?.uid, 'one');
  t.equal(table.findByName({ ...name, serviceAccount: 'b' }, undefined), undefined);
  t.equal(table.findByName({ ...name, namespace: 'other' }, undefined), undefined);
  t.end();
});

t.test('a workload is found by namespace and hostname', (t) => {
  const table = new WorkloadTable();
  const workload = aWorkload({ name: 'a', hostname: 'gateway.example.com' });
  table.put(workload);
  t.equal(table.findByHostname({ namespace: 'default', hostname: 'gateway.example.com' })?.name, 'a');
  t.equal(table.findByHostname({ namespace: 'other', hostname: 'gateway.example.com' }), undefined);
  table.remove(workload.uid);
  t.equal(table.findByHostname({ namespace: 'default', hostname: 'gateway.example.com' }), undefined);
  t.end();
});

t.test('a workload that is sent again replaces the former one wholly', (t) => {
  const table = new WorkloadTable();
  table.put(aWorkload({ name: 'a', addresses: ['10.0.0.1'], hostname: 'a.example', services: { [key]: [] } }));
  table.put(aWorkload({ name: 'a', addresses: ['10.0.0.2'], serviceAccount: 'other', services: { 'default/t': [] } }));
  t.equal(table.findByAddress('', at('10.0.0.1')), undefined);
  t.equal(table.findByAddress('', at('10.0.0.2'))?.name, 'a');
  t.same(table.endpointsOf(service), []);
  t.equal(table.endpointsOf(aService({ name: 't', hostname: 't' })).length, 1);
  t.equal(table.findByName({ name: 'a', namespace: 'default', serviceAccount: 'a' }, undefined), undefined);
  t.equal(table.findByHostname({ namespace: 'default', hostname: 'a.example' }), undefined);
  t.end();
});

t.test('an endpoint carries its own ports, and goes with its workload', (t) => {
  const table = new WorkloadTable();
  const workload = aWorkload({ name: 'a', services: { [key]: ports(80, 9090) } });
  table.put(workload);
  t.same(
    table.endpointsOf(service).map((endpoint) => [endpoint.workload.name, endpoint.ports]),
    [['a', ports(80, 9090)]],
  );
  table.remove(workload.uid);
  t.same(table.endpointsOf(service), []);
  t.end();
});

t.test('unhealthy endpoints are left out unless the service allows all', (t) => {
  const table = new WorkloadTable();
  const sick = aWorkload({ name: 'sick', services: { [key]: [] }, status: 'unhealthy' });
  table.put(aWorkload({ name: 'well', services: { [key]: [] } }));
  table.put(sick);
  const names = (of: typeof service) => table.endpointsOf(of).map((endpoint) => endpoint.workload.name);
  t.same(names(service), ['well']);
  t.same(names(allowAll), ['well', 'sick'], 'a policy that changes later takes effect at once');
  table.put({ ...sick, status: 'healthy' });
  t.same(names(service), ['well', 'sick']);
  t.end();
});
