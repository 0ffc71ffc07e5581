// Which pod is meant.
import t from 'tap';
import { choosePod, type MeshStatus, table } from '../../../deploy/local/mesh-status.ts';

const pod = (namespace: string, name: string, workload: string, role: 'application' | 'waypoint' = 'application') => ({
  namespace,
  name,
  workload,
  role,
  address: '',
  identity: '',
  enrolled: true,
  notEnrolledReason: '',
  state: 'ready',
  containers: [],
  sandboxPid: 1,
  env: {},
});
const status: MeshStatus = {
  mesh: 'm',
  version: '1',
  mode: 'captured',
  modeReason: '',
  modeRemedy: '',
  trustDomain: '',
  gateUrl: '',
  pods: [
    pod('shop', 'web-1', 'web'),
    pod('shop', 'web-2', 'web'),
    pod('bank', 'db-0', 'db'),
    pod('shop', 'way-1', 'way', 'waypoint'),
  ],
  waypoints: [],
  ztunnel: { state: '', metricsUrl: '', adminUrl: '' },
  prometheusUrl: '',
  logFolder: '',
  problems: [],
};

t.test('a pod by its name, or the first of a workload', async (t) => {
  t.match(choosePod(status, 'shop', 'web-2'), { kind: 'pod', pod: { name: 'web-2' } });
  t.match(choosePod(status, 'shop', 'web'), { kind: 'pod', pod: { name: 'web-1' } });
});

t.test('an unknown one lists what there is: in that namespace, or at all', async (t) => {
  t.same(choosePod(status, 'shop', 'x'), { kind: 'none', message: 'no pod shop/x: there are shop/web-1, shop/web-2' });
  t.match(choosePod(status, 'none', 'x'), { message: /shop\/web-1, shop\/web-2, bank\/db-0/ });
  t.match(choosePod({ ...status, pods: [] }, 'a', 'b'), { message: /the mesh has no pods/ });
});

t.test('columns are as wide as their widest cell', async (t) => {
  t.same(table(['A', 'B'], [['long', 'x']]), ['A     B', 'long  x']);
});
