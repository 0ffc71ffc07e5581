// Who gets which address.
import t from 'tap';
import {
  type AddressClaim,
  allocateAddresses,
  emptyAllocation,
} from '../../../../deploy/local/materialize/allocate-addresses.ts';

const range = { prefix: '10.244', firstHost: 2 };
const claim = (key: string, wanted?: string): AddressClaim => ({ key, place: { object: `Pod ${key}` }, wanted });

t.test('free addresses are given in order, after the node', async (t) => {
  const { allocation } = allocateAddresses([claim('a/1'), claim('a/2')], range, emptyAllocation);
  t.same([...allocation.addresses.values()], ['10.244.0.2', '10.244.0.3']);
});

t.test('who lives keeps its address, and what is freed is not used again at once', async (t) => {
  const first = allocateAddresses([claim('a/1'), claim('a/2')], range, emptyAllocation).allocation;
  const second = allocateAddresses([claim('a/2'), claim('a/3')], range, first).allocation;
  t.same(
    [...second.addresses],
    [
      ['a/2', '10.244.0.3'],
      ['a/3', '10.244.0.4'],
    ],
  );
});

t.test('a written address is respected, also against an earlier guest', async (t) => {
  const first = allocateAddresses([claim('a/1')], range, emptyAllocation).allocation;
  const { allocation, problems } = allocateAddresses([claim('a/1'), claim('a/2', '10.244.0.2')], range, first);
  t.same(allocation.addresses.get('a/2'), '10.244.0.2');
  t.same(allocation.addresses.get('a/1'), '10.244.0.3');
  t.same(problems, []);
});

t.test('two that want one address are a problem that names both', async (t) => {
  const { allocation, problems } = allocateAddresses(
    [claim('a/1', '10.1.1.1'), claim('a/2', '10.1.1.1')],
    range,
    emptyAllocation,
  );
  t.same([...allocation.addresses], [['a/1', '10.1.1.1']]);
  t.match(problems, [{ object: 'Pod a/2', message: /10\.1\.1\.1, which Pod a\/1 has/, severity: 'error' }]);
});

t.test('addresses that end in 0 or 255 are left out, and the range ends with a problem', async (t) => {
  const many = Array.from({ length: 65_100 }, (_, index) => claim(`a/${index}`));
  const { allocation, problems } = allocateAddresses(many, range, emptyAllocation);
  const addresses = new Set(allocation.addresses.values());
  t.equal(addresses.size, 256 * 254 - 1);
  t.notOk([...addresses].some((address) => /\.(0|255)$/.test(address)));
  t.match(problems[0], { message: /no address: none is left in 10\.244\.0\.0\/16|none is left/ });
});
