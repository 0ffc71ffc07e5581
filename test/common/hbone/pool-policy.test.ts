import t from 'tap';
import { chooseTunnel, type TunnelFacts } from '../../../common/hbone/pool-policy.ts';

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
