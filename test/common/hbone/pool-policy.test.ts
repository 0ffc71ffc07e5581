import t from 'tap';
import { chooseTunnel, type TunnelFacts } from '../../../common/hbone/pool-policy.ts';
import { randomFrom } from '../../support/random-from.ts';

const noLimit = Number.POSITIVE_INFINITY;
const tunnel = (state: TunnelFacts['state'], streams: number, peerLimit = noLimit): TunnelFacts => ({
  ...{ state, streams, peerLimit },
  congestion: 'none',
});
const open = (congestion: TunnelFacts['congestion'], streams: number, peerLimit = noLimit): TunnelFacts => ({
  ...{ state: 'open' as const, streams, peerLimit, congestion },
});
const choose = (tunnels: readonly TunnelFacts[], growTo = 4) => chooseTunnel(tunnels, 100, growTo);

t.test('an open tunnel with room is used before one that is still dialled', async (t) => {
  const open = tunnel('open', 99);
  t.same(choose([tunnel('dialling', 0), open]), { kind: 'use', tunnel: open });
});

t.test('who comes while a tunnel is dialled waits for it, up to its hundredth stream', async (t) => {
  const dialling = tunnel('dialling', 99);
  t.same(choose([dialling]), { kind: 'use', tunnel: dialling });
  t.same(choose([tunnel('dialling', 100)]), { kind: 'dial' });
});

t.test('a tunnel that is full, limited by its peer, or closing is passed over', async (t) => {
  t.same(choose([tunnel('open', 100), tunnel('open', 10, 10), tunnel('closing', 0)]), { kind: 'dial' });
  t.same(choose([]), { kind: 'dial' });
});

t.test('who waits for a tunnel is no more than the peer allowed in others', async (t) => {
  const [few, dialling] = [tunnel('open', 10, 10), tunnel('dialling', 9)];
  t.same(choose([few, dialling]), { kind: 'use', tunnel: dialling });
  t.same(choose([few, tunnel('dialling', 10)]), { kind: 'dial' });
  const none = tunnel('open', 0, 0);
  const alone = tunnel('dialling', 0);
  t.same(choose([none, alone]), { kind: 'use', tunnel: alone }, 'a peer that allows none may have changed');
});

t.test('the first that is not congested is used, however few streams the others have', async (t) => {
  const free = open('none', 50);
  t.same(choose([open('busy', 1), open('stuck', 0), free, open('none', 0)]), { kind: 'use', tunnel: free });
});

t.test('where all are busy, the one with the fewest streams is used, and another dialled beside', async (t) => {
  const fewest = open('busy', 2);
  t.same(choose([open('stuck', 0), open('busy', 3), fewest]), { kind: 'use-and-dial', tunnel: fewest });
  for (const [why, tunnels, growTo] of [
    ['at the bound', [fewest, open('busy', 3)], 2],
    ['where none is to be dialled', [fewest], 0],
    ['where the bound is one', [fewest], 1],
    ['while one is on its way', [fewest, tunnel('dialling', 0)], 4],
    ['where the bound is reached by one that is full', [fewest, open('none', 100)], 2],
  ] as const) {
    t.same(choose(tunnels, growTo), { kind: 'use', tunnel: fewest }, why);
  }
  t.same(choose([fewest, tunnel('closing', 9)], 2), { kind: 'use-and-dial', tunnel: fewest }, 'one that ends is none');
});

t.test('where all are stuck, a new one is waited for, up to the bound', async (t) => {
  const [fewest, onItsWay] = [open('stuck', 2), tunnel('dialling', 5)];
  t.same(choose([open('stuck', 3), fewest]), { kind: 'dial' });
  t.same(choose([fewest, onItsWay]), { kind: 'use', tunnel: onItsWay });
  t.same(choose([open('stuck', 3), fewest], 2), { kind: 'use', tunnel: fewest });
  t.same(choose([fewest, tunnel('dialling', 100)]), { kind: 'use', tunnel: fewest }, 'one on its way is full');
});

interface Simulated extends TunnelFacts {
  state: TunnelFacts['state'];
  streams: number;
  congestion: TunnelFacts['congestion'];
}

/** One turn of whatever else happens to tunnels: dials succeed or fail, streams end, congestion comes and goes. */
function happen(tunnels: Set<Simulated>, random: () => number): number {
  let ended = 0;
  for (const each of tunnels) {
    const chance = random();
    if (each.state === 'dialling' && chance < 0.3) {
      each.state = 'open';
    } else if (chance < 0.02) {
      ended += each.streams;
      tunnels.delete(each);
    } else if (each.state !== 'dialling' && each.streams > 0 && chance < 0.4) {
      each.streams -= 1;
      ended += 1;
    }
    if (each.state !== 'dialling')
      each.congestion = (['none', 'busy', 'busy', 'stuck'] as const)[Math.floor(random() * 4)] ?? 'none';
    if (each.state === 'open' && random() < 0.02) each.state = 'closing';
    if (each.state === 'closing' && each.streams === 0) tunnels.delete(each);
  }
  return ended;
}

t.test(
  'whatever happens, streams find room within all limits, and congestion dials no more than the bound',
  async (t) => {
    let grown = 0;
    for (let seed = 1; seed <= 200; seed += 1) {
      const random = randomFrom(seed);
      const [maxStreams, growTo] = [1 + Math.floor(random() * 8), 1 + Math.floor(random() * 5)];
      const peerLimit = random() < 0.5 ? noLimit : 1 + Math.floor(random() * 8);
      const limit = Math.min(maxStreams, peerLimit);
      const tunnels = new Set<Simulated>();
      const dial = (streams: number): void => {
        tunnels.add({ state: 'dialling', streams, peerLimit, congestion: 'none' });
      };
      let [opened, ended] = [0, 0];
      for (let turn = 0; turn < 200; turn += 1) {
        const living = [...tunnels].filter(({ state }) => state !== 'closing');
        const couldTakeIt = living.some(({ streams }) => streams < limit);
        const choice = chooseTunnel(tunnels, maxStreams, growTo);
        opened += 1;
        if (choice.kind === 'dial') dial(1);
        else {
          if (choice.tunnel.state === 'closing' || choice.tunnel.streams >= limit) t.fail(`no room, seed ${seed}`);
          choice.tunnel.streams += 1;
          if (choice.kind === 'use-and-dial') dial(0);
        }
        // With room in another, only congestion can have been the reason.
        const dialledMore = choice.kind === 'use-and-dial' || (choice.kind === 'dial' && couldTakeIt);
        if (dialledMore) grown += 1;
        if (dialledMore && living.length >= growTo) t.fail(`beyond the bound, seed ${seed}`);
        ended += happen(tunnels, random);
        let carried = 0;
        for (const { streams } of tunnels) carried += streams;
        if (carried + ended !== opened) t.fail(`a stream is lost, seed ${seed}`);
      }
    }
    t.ok(grown > 1_000, `${grown} times`);
  },
);
