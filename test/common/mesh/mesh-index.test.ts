import t from 'tap';
import { nothing } from '../../../common/mesh/mesh-source.ts';
import { serviceKey } from '../../../common/mesh/service.ts';
import { aPolicy, aService, at, aWorkload, meshOf, ports } from '../../support/mesh-objects.ts';

t.test('listeners hear of a batch once, after it is applied', (t) => {
  const index = meshOf({});
  const seen: unknown[] = [];
  const unsubscribe = index.onChange((change) => seen.push({ ...change, workloads: [...index.workloads()].length }));
  index.apply({ ...nothing, workloads: [aWorkload({ name: 'a' }), aWorkload({ name: 'b' })] });
  index.apply({ ...nothing, policies: [aPolicy({ name: 'p' })] });
  index.apply({ ...nothing, services: [aService({ name: 's' })] });
  t.same(seen, [
    { servicesChanged: false, workloadsChanged: true, policiesChanged: false, workloads: 2 },
    { servicesChanged: false, workloadsChanged: false, policiesChanged: true, workloads: 2 },
    { servicesChanged: true, workloadsChanged: false, policiesChanged: false, workloads: 2 },
  ]);
  unsubscribe();
  index.apply({ ...nothing, removedPolicies: ['default/p'] });
  t.equal(seen.length, 3, 'nothing after the listener unsubscribed');
  t.end();
});

t.test('what is sent again with the same value is no change', (t) => {
  const snapshot = () => ({
    workloads: [aWorkload({ name: 'a', addresses: ['10.0.0.1'], services: { 'default/s': ports(80, 8080) } })],
    services: [aService({ name: 's', addresses: ['10.1.0.1'] })],
    policies: [aPolicy({ name: 'p', match: { destinationPorts: [80] } })],
  });
  const index = meshOf(snapshot());
  const { revision } = index;
  let changes = 0;
  index.onChange(() => changes++);
  const before = index.workloadByAddress('', at('10.0.0.1'));
  index.replace(snapshot());
  index.apply({ ...nothing, ...snapshot() });
  index.apply({ ...nothing, removedWorkloads: [aWorkload({ name: 'unknown' }).uid], removedServices: ['x/y'] });
  t.equal(changes, 0);
  t.equal(index.revision, revision);
  t.equal(index.workloadByAddress('', at('10.0.0.1')), before, 'the value that was there stays');
  t.end();
});

t.test('replace makes the index equal to the snapshot, with one event', (t) => {
  const index = meshOf({
    workloads: [aWorkload({ name: 'stays' }), aWorkload({ name: 'changes', node: 'one' }), aWorkload({ name: 'goes' })],
    services: [aService({ name: 'goes', addresses: ['10.1.0.1'] })],
    policies: [aPolicy({ name: 'goes', scope: 'global' })],
  });
  const { revision } = index;
  index.replace({
    workloads: [
      aWorkload({ name: 'stays' }),
      aWorkload({ name: 'changes', node: 'two' }),
      aWorkload({ name: 'comes' }),
    ],
    services: [],
    policies: [],
  });
  t.same([...index.workloads()].map((workload) => `${workload.name} ${workload.node}`).sort(), [
    'changes two',
    'comes ',
    'stays ',
  ]);
  t.equal(index.serviceByAddress('', at('10.1.0.1'), undefined), undefined);
  t.same([...index.policies()], []);
  t.same([...index.services()], []);
  t.equal(index.revision, revision + 1);
  t.end();
});

t.test('of two objects with one key in a snapshot the last one counts, without flapping', (t) => {
  const snapshot = {
    workloads: [aWorkload({ name: 'a', node: 'one' }), aWorkload({ name: 'a', node: 'two' })],
    services: [],
    policies: [],
  };
  const index = meshOf(snapshot);
  const { revision } = index;
  index.replace(snapshot);
  t.equal(index.workloadByUid(aWorkload({ name: 'a' }).uid)?.node, 'two');
  t.equal(index.revision, revision);
  t.end();
});

t.test('removals come before upserts: a key that is in both stays', (t) => {
  const workload = aWorkload({ name: 'a', addresses: ['10.0.0.1'] });
  const service = aService({ name: 's', addresses: ['10.1.0.1'] });
  const index = meshOf({ workloads: [workload], services: [service] });
  index.apply({
    ...nothing,
    removedWorkloads: [workload.uid],
    removedServices: [serviceKey(service)],
    workloads: [{ ...workload, node: 'n' }],
    services: [{ ...service, canonical: true }],
  });
  t.equal(index.workloadByAddress('', at('10.0.0.1'))?.node, 'n');
  t.equal(index.serviceByAddress('', at('10.1.0.1'), undefined)?.canonical, true);
  t.end();
});

t.test('a value that was handed out stays as it was', (t) => {
  const key = 'default/s.default.svc.cluster.local';
  const service = aService({ name: 's' });
  const first = aWorkload({ name: 'a', services: { [key]: ports(80, 8080) } });
  const index = meshOf({ workloads: [first], services: [service] });
  const before = index.endpointsOf(service);
  t.equal(index.endpointsOf(service), before, 'the same list while nothing changes');
  index.apply({ ...nothing, workloads: [{ ...first, status: 'unhealthy' }] });
  t.same(
    before.map((endpoint) => endpoint.workload.status),
    ['healthy'],
  );
  t.same(index.endpointsOf(service), []);
  t.end();
});

t.test('policies of a workload are the global ones, those of its namespace and those it names', (t) => {
  const index = meshOf({
    policies: [
      aPolicy({ name: 'everywhere', namespace: 'istio-system', scope: 'global' }),
      aPolicy({ name: 'here', namespace: 'default' }),
      aPolicy({ name: 'elsewhere', namespace: 'other' }),
      aPolicy({ name: 'selected', namespace: 'default', scope: 'workload-selector' }),
      aPolicy({ name: 'not-selected', namespace: 'default', scope: 'workload-selector' }),
      aPolicy({ name: 'strict', namespace: 'istio-system', scope: 'workload-selector' }),
    ],
  });
  const workload = aWorkload({
    name: 'a',
    authorizationPolicies: ['default/selected', 'istio-system/strict', 'default/late', 'default/here'],
  });
  const { policies, unknown } = index.policiesFor(workload);
  t.same(
    policies.map((policy) => policy.name),
    ['everywhere', 'here', 'selected', 'strict'],
  );
  t.same(unknown, ['default/late']);
  t.same(
    index.policiesFor(aWorkload({ name: 'b', namespace: 'other' })).policies.map((policy) => policy.name),
    ['everywhere', 'elsewhere'],
  );
  t.end();
});

t.test('a policy that changes its scope leaves its former place', (t) => {
  const policy = aPolicy({ name: 'p', scope: 'global' });
  const index = meshOf({ policies: [policy] });
  const elsewhere = aWorkload({ name: 'a', namespace: 'other' });
  t.equal(index.policiesFor(elsewhere).policies.length, 1);
  index.apply({ ...nothing, policies: [{ ...policy, scope: 'namespace' }] });
  t.equal(index.policiesFor(elsewhere).policies.length, 0);
  t.equal(index.policiesFor(aWorkload({ name: 'b' })).policies.length, 1);
  index.apply({ ...nothing, policies: [{ ...policy, scope: 'workload-selector' }] });
  t.equal(index.policiesFor(aWorkload({ name: 'b' })).policies.length, 0);
  t.end();
});
