import t from 'tap';
import { type AddressQuery, chooseAddress } from '../../../common/mesh/choose-address.ts';
import type { Service } from '../../../common/mesh/service.ts';
import { aService, at, aWorkload } from '../../support/mesh-objects.ts';

const dual = ['10.0.0.1', '10.0.0.2', 'fd00::1', 'fd00::2'];

function choose(addresses: readonly string[], original: string, query: Partial<AddressQuery> = {}) {
  const workload = aWorkload({ name: 'a', addresses, hostname: '' });
  return chooseAddress({
    workload,
    service: undefined,
    original: at(original),
    resolved: new Map(),
    random: 0,
    ...query,
  });
}

t.test('the address that was dialled is kept where the workload has it', (t) => {
  t.same(choose(dual, '10.0.0.2'), { kind: 'ip', ip: '10.0.0.2' });
  t.same(choose(dual, 'fd00::2'), { kind: 'ip', ip: 'fd00::2' });
  t.end();
});

t.test('else the family that was dialled, else the first address', (t) => {
  t.same(choose(dual, '10.1.0.1'), { kind: 'ip', ip: '10.0.0.1' });
  t.same(choose(dual, 'fd01::1'), { kind: 'ip', ip: 'fd00::1' });
  t.same(choose(['10.0.0.1'], 'fd01::1'), { kind: 'ip', ip: '10.0.0.1' });
  t.end();
});

t.test('the families of the service restrict the choice', (t) => {
  const of = (ipFamilies: Service['ipFamilies']) => ({ service: aService({ name: 's', ipFamilies }) });
  t.same(choose(dual, 'fd01::1', of('ipv4')), { kind: 'ip', ip: '10.0.0.1' });
  t.same(choose(dual, '10.1.0.1', of('ipv6')), { kind: 'ip', ip: 'fd00::1' });
  t.same(choose(dual, 'fd01::1', of('dual')), { kind: 'ip', ip: 'fd00::1' });
  t.match(choose(['fd00::1'], '10.1.0.1', of('ipv4')), { kind: 'none', detail: /no address of a family it may use/ });
  t.end();
});

t.test('a workload without address and hostname cannot be reached', (t) => {
  t.match(choose([], '10.1.0.1'), { kind: 'none', detail: /no valid routing destination for workload: .*no hostname/ });
  t.end();
});

t.test('a hostname is asked for, then its answers are used, in the family that was dialled', (t) => {
  const workload = aWorkload({ name: 'a', hostname: 'db.example' });
  t.same(choose([], '10.1.0.1', { workload }), { kind: 'resolve', hostname: 'db.example' });
  const resolved = new Map([['db.example', ['192.0.2.1', '192.0.2.2', '2001:db8::1'].map(at)]]);
  t.same(choose([], '10.1.0.1', { workload, resolved, random: 0 }), { kind: 'ip', ip: '192.0.2.1' });
  t.same(choose([], '10.1.0.1', { workload, resolved, random: 0.99 }), { kind: 'ip', ip: '192.0.2.2' });
  t.same(choose([], 'fd00::1', { workload, resolved, random: 0.99 }), { kind: 'ip', ip: '2001:db8::1' });
  const onlyV4 = new Map([['db.example', [at('192.0.2.1')]]]);
  t.same(choose([], 'fd00::1', { workload, resolved: onlyV4 }), { kind: 'ip', ip: '192.0.2.1' });
  const empty = choose([], '10.1.0.1', { workload, resolved: new Map([['db.example', []]]) });
  t.match(empty, { kind: 'none', detail: /no ip addresses were resolved .*db\.example/ });
  t.end();
});
