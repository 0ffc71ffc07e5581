import t from 'tap';
import type { Service } from '../../../common/mesh/service.ts';
import { ServiceTable } from '../../../common/mesh/service-table.ts';
import { aService, at, vip } from '../../support/mesh-objects.ts';

function tableOf(...services: Service[]): ServiceTable {
  const table = new ServiceTable();
  for (const service of services) table.put(service);
  return table;
}

t.test(
  'of services that share an address the client gets its own namespace, else the canonical, else the first',
  (t) => {
    const addresses = ['10.1.0.1'];
    const a = aService({ name: 's', namespace: 'a', addresses });
    const b = aService({ name: 's', namespace: 'b', addresses });
    const c = aService({ name: 's', namespace: 'c', addresses });
    const find = (table: ServiceTable, client: string | undefined) =>
      table.findByAddress('', at('10.1.0.1'), client)?.namespace;
    const plain = tableOf(a, b, c);
    t.equal(find(plain, 'b'), 'b');
    t.equal(find(plain, 'other'), 'a');
    t.equal(find(plain, undefined), 'a');
    const canonical = tableOf(a, { ...b, canonical: true }, c);
    t.equal(find(canonical, 'c'), 'c', 'the own namespace comes before the canonical');
    t.equal(find(canonical, 'other'), 'b');
    const two = tableOf({ ...a, canonical: true }, b, { ...c, canonical: true });
    t.equal(find(two, 'other'), 'c', 'the last canonical one seen');
    t.end();
  },
);

t.test('a service of namespace visibility is seen from its own namespace only', (t) => {
  const hidden = aService({
    name: 's',
    namespace: 'a',
    addresses: ['10.1.0.1'],
    hostname: 'h',
    visibility: 'namespace',
  });
  const open = aService({ name: 's', namespace: 'b', addresses: ['10.1.0.1'], hostname: 'h' });
  const both = tableOf(hidden, open);
  const ip = at('10.1.0.1');
  t.equal(both.findByAddress('', ip, 'a')?.namespace, 'a');
  t.equal(both.findByAddress('', ip, 'c')?.namespace, 'b');
  t.equal(both.findByHostname('h', 'a')?.namespace, 'a');
  t.equal(both.findByHostname('h', 'c')?.namespace, 'b');
  const alone = tableOf({ ...hidden, canonical: true });
  t.equal(alone.findByAddress('', ip, 'c'), undefined);
  t.equal(alone.findByHostname('h', 'c'), undefined);
  t.equal(alone.findByAddress('', ip, undefined)?.namespace, 'a', 'where no client is named there is no filter');
  t.end();
});

t.test('a hidden exact address falls through to a range', (t) => {
  const table = tableOf(
    aService({ name: 'hidden', namespace: 'a', addresses: ['10.1.0.1'], visibility: 'namespace' }),
    aService({ name: 'range', namespace: 'b', addresses: ['10.1.0.0/16'] }),
  );
  t.equal(table.findByAddress('', at('10.1.0.1'), 'c')?.name, 'range');
  t.equal(table.findByAddress('', at('10.1.0.1'), 'a')?.name, 'hidden');
  t.end();
});

t.test('a hidden range falls through to a shorter one', (t) => {
  const table = tableOf(
    aService({ name: 'long', namespace: 'a', addresses: ['10.1.0.0/24'], visibility: 'namespace' }),
    aService({ name: 'short', namespace: 'b', addresses: ['10.1.0.0/16'] }),
  );
  t.equal(table.findByAddress('', at('10.1.0.1'), 'c')?.name, 'short');
  t.equal(table.findByAddress('', at('10.1.0.1'), 'a')?.name, 'long');
  t.end();
});

t.test('an address in a range is found by the longest prefix, after every single address', (t) => {
  const table = tableOf(
    aService({ name: 'eight', addresses: ['10.9.9.9/8'] }),
    aService({ name: 'twenty-four', addresses: ['10.1.2.0/24'] }),
    aService({ name: 'single', addresses: ['10.1.2.3'] }),
    aService({ name: 'thirty-two', addresses: ['10.1.2.4/32'] }),
    aService({ name: 'v6', addresses: ['fd00::/16'] }),
    aService({ name: 'v6-longer', addresses: ['fd00:1::/32'] }),
    aService({ name: 'all-v6', addresses: ['::/0'] }),
  );
  const rows = [
    ['10.200.0.1', 'eight'],
    ['10.1.2.200', 'twenty-four'],
    ['10.1.2.3', 'single'],
    ['10.1.2.4', 'thirty-two'],
    ['11.0.0.1', undefined],
    ['fd00:2::1', 'v6'],
    ['fd00:1::1', 'v6-longer'],
    ['2001:db8::1', 'all-v6'],
  ] as const;
  for (const [ip, name] of rows) t.equal(table.findByAddress('', at(ip), undefined)?.name, name, ip);
  t.end();
});

t.test("the client's namespace comes before a longer prefix, the canonical after it", (t) => {
  const table = tableOf(
    aService({ name: 'own', namespace: 'a', addresses: ['10.0.0.0/8'] }),
    aService({ name: 'longer', namespace: 'b', addresses: ['10.1.0.0/16'] }),
    aService({ name: 'canonical', namespace: 'c', addresses: ['10.1.0.0/16'], canonical: true }),
    aService({ name: 'short', namespace: 'c', addresses: ['10.0.0.0/8'], canonical: true }),
  );
  const ip = at('10.1.0.1');
  t.equal(table.findByAddress('', ip, 'a')?.name, 'own');
  t.equal(table.findByAddress('', ip, 'b')?.name, 'longer');
  t.equal(table.findByAddress('', ip, 'other')?.name, 'canonical');
  t.end();
});

t.test('addresses and ranges belong to their network', (t) => {
  const table = tableOf(
    aService({ name: 'one', addresses: [vip('10.1.0.1', 'n1'), vip('10.2.0.0/16', 'n1')] }),
    aService({ name: 'two', addresses: [vip('10.1.0.1', 'n2')] }),
  );
  t.equal(table.findByAddress('n1', at('10.1.0.1'), undefined)?.name, 'one');
  t.equal(table.findByAddress('n2', at('10.1.0.1'), undefined)?.name, 'two');
  t.equal(table.findByAddress('n1', at('10.2.0.1'), undefined)?.name, 'one');
  t.equal(table.findByAddress('n2', at('10.2.0.1'), undefined), undefined);
  t.equal(table.findByAddress('', at('10.1.0.1'), undefined), undefined);
  t.end();
});

t.test('a removed service leaves nothing behind, its neighbours stay', (t) => {
  const a = aService({ name: 'a', hostname: 'h', addresses: ['10.1.0.1', '10.1.0.1', '10.2.0.0/16', '10.2.7.7/16'] });
  const b = aService({ name: 'b', hostname: 'h', namespace: 'b', addresses: ['10.1.0.1', '10.2.0.0/16'] });
  const table = tableOf(a, b);
  t.equal(table.remove('default/h'), a);
  t.equal(table.remove('default/h'), undefined);
  for (const ip of ['10.1.0.1', '10.2.0.1']) t.equal(table.findByAddress('', at(ip), 'default')?.name, 'b', ip);
  t.equal(table.findByHostname('h', 'default')?.name, 'b');
  table.remove('b/h');
  for (const ip of ['10.1.0.1', '10.2.0.1']) t.equal(table.findByAddress('', at(ip), 'default'), undefined, ip);
  t.equal(table.findByHostname('h', undefined), undefined);
  t.end();
});

t.test('a service that is sent again replaces its addresses', (t) => {
  const table = tableOf(
    aService({ name: 'a', addresses: ['10.1.0.1'] }),
    aService({ name: 'a', addresses: ['10.1.0.2'] }),
  );
  t.equal(table.findByAddress('', at('10.1.0.1'), undefined), undefined);
  t.equal(table.findByAddress('', at('10.1.0.2'), undefined)?.name, 'a');
  t.end();
});
