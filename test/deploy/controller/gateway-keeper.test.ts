import t from 'tap';
import type { GatewayStore } from '../../../deploy/controller/cluster-client.ts';
import { keepGateways } from '../../../deploy/controller/gateway-keeper.ts';
import { type PlannedStatus, planGateways } from '../../../deploy/controller/plan-gateways.ts';
import { collectLog } from '../../support/collected-log.ts';

const gateway = (name: string, more: object = {}, spec: object = {}) => ({
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'Gateway',
  metadata: { name, namespace: 'shop', generation: 3, ...more },
  spec: { gatewayClassName: 'istio-waypoint', listeners: [{ name: 'mesh', port: 15008, protocol: 'HBONE' }], ...spec },
});
const service = (name: string, ...clusterIps: string[]) => ({ namespace: 'shop', name, clusterIps });
const facts = { clusterDomain: 'cluster.local', now: '2026-01-01T00:00:00Z' };
const addresses = [
  { type: 'IPAddress', value: '10.96.0.7' },
  { type: 'Hostname', value: 'gate.shop.svc.cluster.local' },
];

t.test('a waypoint gets the addresses of its Service, and says that it is programmed', async (t) => {
  const planned = planGateways({ ...facts, gateways: [gateway('gate')], services: [service('gate', '10.96.0.7')] });
  t.match(planned, [
    {
      ...{ namespace: 'shop', name: 'gate' },
      status: {
        addresses,
        conditions: [
          { type: 'Accepted', status: 'True', observedGeneration: 3, lastTransitionTime: facts.now },
          { type: 'Programmed', message: /assigned to service\(s\) gate\.shop\.svc\.cluster\.local:15008/ },
        ],
      },
    },
  ]);
});

t.test('both families are told, and a Service of another name is followed', async (t) => {
  const annotations = { 'gateway.istio.io/name-override': 'other' };
  const planned = planGateways({
    ...facts,
    gateways: [gateway('gate', { annotations })],
    services: [service('gate', '10.96.0.1'), service('other', '10.96.0.7', 'fd00::7')],
  });
  const hostname = { type: 'Hostname', value: 'other.shop.svc.cluster.local' };
  const ips = ['10.96.0.7', 'fd00::7'].map((value) => ({ type: 'IPAddress', value }));
  t.match(planned, [{ name: 'gate', status: { addresses: [...ips, hostname] } }]);
});

t.test('nothing is written that is so already, nor for whom it is not', async (t) => {
  const services = [service('gate', '10.96.0.7'), service('headless')];
  const served = { ...gateway('gate'), status: { addresses } };
  const gateways = [
    served,
    gateway('gate', {}, { gatewayClassName: 'istio' }),
    gateway('gate', {}, { addresses: [{ value: '192.0.2.1' }] }),
    gateway('gate', { namespace: 'elsewhere' }),
    gateway('headless'),
    { ...served, spec: { gatewayClassName: 7 } },
    'nonsense',
  ];
  t.same(planGateways({ ...facts, gateways, services }), []);
});

t.test('a Gateway that cannot be written does not keep the others from theirs', async (t) => {
  const written: PlannedStatus['name'][] = [];
  const names = ['a', 'b', 'c'];
  const store: GatewayStore = {
    listGateways: async () => names.map((name) => gateway(name)),
    listGatewayServices: async () => names.map((name) => service(name, '10.96.0.7')),
    async writeGatewayStatus({ name }) {
      if (name === 'b') throw new Error('refused');
      written.push(name);
    },
  };
  const { log, lines } = collectLog();
  t.same(await keepGateways(store, 'cluster.local', 0, log), { failed: 1 });
  t.same(written, ['a', 'c']);
  t.match(
    lines.find(({ level }) => level === 'warn'),
    { gateway: 'shop/b' },
  );
});

t.test('Gateways that cannot be listed are told, and fail nothing else', async (t) => {
  const store: GatewayStore = {
    listGateways: async () => Promise.reject(new Error('forbidden')),
    listGatewayServices: async () => [],
    writeGatewayStatus: async () => {},
  };
  const { log, lines } = collectLog();
  t.same(await keepGateways(store, 'cluster.local', 0, log), { failed: 0 });
  t.match(lines, [{ level: 'warn', msg: 'Gateways could not be looked at' }]);
});
