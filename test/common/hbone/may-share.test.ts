import t from 'tap';
import { mayShare } from '../../../common/hbone/may-share.ts';
import { identityOf } from '../../../common/identity/identity.ts';
import { parseIp, parseSocketAddress } from '../../../common/net/address.ts';

t.test('tunnels are shared only where everything that identifies them is the same', async (t) => {
  const identity = (serviceAccount: string) => identityOf({ trustDomain: 'td', namespace: 'ns', serviceAccount });
  const nextHop = parseSocketAddress('10.0.0.9:15008');
  const otherHop = parseSocketAddress('10.0.0.8:15008');
  const sourceIp = parseIp('10.0.0.1');
  if (!nextHop || !otherHop || !sourceIp) throw new Error('no address');
  const [a, b] = [identity('a'), identity('b')];
  const target = { nextHop, source: a, expected: [a, b], sourceIp, nextHopUid: 'uid' };
  t.ok(mayShare(target, { ...target, nextHop: { ...nextHop }, expected: [identity('a'), identity('b')] }));
  const others = [
    { ...target, nextHop: otherHop },
    { ...target, nextHop: { ...nextHop, port: 15009 } },
    { ...target, source: b },
    { ...target, expected: [b, a] },
    { ...target, expected: [a] },
    { ...target, expected: [a, b, a] },
    { ...target, sourceIp: undefined },
    { ...target, nextHopUid: 'another' },
  ];
  for (const other of others) t.notOk(mayShare(target, other), JSON.stringify(other));
});
