import t from 'tap';
import { poolKey } from '../../../common/hbone/pool-key.ts';
import { chooseTunnel, type TunnelFacts } from '../../../common/hbone/pool-policy.ts';
import { identityOf } from '../../../common/identity/identity.ts';
import { parseIp, parseSocketAddress } from '../../../common/net/address.ts';

const tunnel = (state: TunnelFacts['state'], streams: number, peerLimit = Number.POSITIVE_INFINITY): TunnelFacts => ({
  state,
  streams,
  peerLimit,
});

t.test('an open tunnel with room is used before one that is still dialled', async (t) => {
  const open = tunnel('open', 99);
  t.same(chooseTunnel([tunnel('dialling', 0), open], 100), { kind: 'use', tunnel: open });
});

t.test('who comes while a tunnel is dialled waits for it, up to its hundredth stream', async (t) => {
  const dialling = tunnel('dialling', 99);
  t.same(chooseTunnel([dialling], 100), { kind: 'use', tunnel: dialling });
  t.same(chooseTunnel([tunnel('dialling', 100)], 100), { kind: 'dial' });
});

t.test('a tunnel that is full, limited by its peer, or closing is passed over', async (t) => {
  t.same(chooseTunnel([tunnel('open', 100), tunnel('open', 10, 10), tunnel('closing', 0)], 100), { kind: 'dial' });
  t.same(chooseTunnel([], 100), { kind: 'dial' });
});

t.test('who waits for a tunnel is no more than the peer allowed in others', async (t) => {
  const [few, dialling] = [tunnel('open', 10, 10), tunnel('dialling', 9)];
  t.same(chooseTunnel([few, dialling], 100), { kind: 'use', tunnel: dialling });
  t.same(chooseTunnel([few, tunnel('dialling', 10)], 100), { kind: 'dial' });
  const none = tunnel('open', 0, 0);
  const alone = tunnel('dialling', 0);
  t.same(chooseTunnel([none, alone], 100), { kind: 'use', tunnel: alone }, 'a peer that allows none may have changed');
});

t.test('tunnels are shared only where everything that identifies them is the same', async (t) => {
  const identity = (serviceAccount: string) => identityOf({ trustDomain: 'td', namespace: 'ns', serviceAccount });
  const nextHop = parseSocketAddress('10.0.0.9:15008');
  const otherHop = parseSocketAddress('10.0.0.8:15008');
  const sourceIp = parseIp('10.0.0.1');
  if (!nextHop || !otherHop || !sourceIp) throw new Error('no address');
  const [a, b] = [identity('a'), identity('b')];
  const target = { nextHop, source: a, expected: [a, b], sourceIp, nextHopUid: 'uid' };
  t.equal(poolKey(target), poolKey({ ...target, expected: [identity('a'), identity('b')] }));
  const others = [
    { ...target, nextHop: otherHop },
    { ...target, source: b },
    { ...target, expected: [b, a] },
    { ...target, expected: [a] },
    { ...target, sourceIp: undefined },
    { ...target, nextHopUid: 'another' },
  ];
  t.equal(new Set([target, ...others].map(poolKey)).size, 7);
});
