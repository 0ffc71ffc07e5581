// What one kind asks of the API server next, and what it tells of what has changed.
import t from 'tap';
import type { ListedObject, WatchEvent } from '../../../../common/sources/kubernetes/api-objects.ts';
import {
  ListWatchSession,
  type SessionAction,
  type SessionEvent,
} from '../../../../common/sources/kubernetes/list-watch-session.ts';
import type { WatchedKind } from '../../../../common/sources/kubernetes/watched-kinds.ts';
import { objectKey, parseKubernetesObject } from '../../../../common/sources/kubernetes-object.ts';
import { randomFrom } from '../../../support/random-from.ts';

const v1 = { apiVersion: 'security.istio.io/v1', path: '/apis/security.istio.io/v1/authorizationpolicies' };
const beta = { apiVersion: 'security.istio.io/v1beta1', path: '/apis/security.istio.io/v1beta1/authorizationpolicies' };
const custom: WatchedKind = { kind: 'AuthorizationPolicy', versions: [v1, beta], origin: 'custom', query: {} };
const builtIn: WatchedKind = { ...custom, versions: [v1], origin: 'built-in' };
const times = { absentRetryMs: 15_000, absenceGraceMs: 60_000 };

function listed(name: string, resourceVersion: string): ListedObject {
  const json = { apiVersion: v1.apiVersion, kind: custom.kind, metadata: { name } };
  const object = parseKubernetesObject(json, undefined);
  return { key: objectKey(object), resourceVersion, object };
}

const put = (name: string, version: string): WatchEvent => ({ kind: 'put', listed: listed(name, version) });
const gone = (name: string, version: string): WatchEvent => ({ kind: 'gone', listed: listed(name, version) });
const page = (resourceVersion: string, objects: readonly ListedObject[], continueToken = ''): SessionEvent => ({
  kind: 'page',
  page: { objects, resourceVersion, continueToken },
});
const failed = (status: number | undefined, atMs = 0): SessionEvent => ({ kind: 'failed', status, atMs });

/** Actions as short words: `list v1`, `watch 7`, `wait 250`, `+a -b`, `synced`. */
function say(actions: readonly SessionAction[]): readonly string[] {
  return actions.map((action) => {
    switch (action.kind) {
      case 'list':
        return `list ${action.from.apiVersion.split('/')[1]}${action.continueToken && ` from ${action.continueToken}`}`;
      case 'watch':
        return `watch ${action.resourceVersion}`;
      case 'wait':
        return `wait ${action.delayMs}`;
      case 'synced':
        return `synced ${action.presence}`;
      default:
        return action.changes
          .map((change) =>
            change.kind === 'put' ? `+${change.object.metadata.name}` : `-${change.key.split('/').at(-1)}`,
          )
          .join(' ');
    }
  });
}

function listedSession(kind = custom): ListWatchSession {
  const session = new ListWatchSession(kind, times);
  session.advance({ kind: 'start' });
  session.advance(page('5', [listed('a', '1'), listed('b', '2')]));
  return session;
}

t.test('each page is delivered as it comes, and after the last one it is watched from where they were', async (t) => {
  const session = new ListWatchSession(custom, times);
  t.same(say(session.advance({ kind: 'start' })), ['list v1']);
  t.same(say(session.advance(page('5', [listed('a', '1')], 'next'))), ['+a', 'list v1 from next']);
  t.same(say(session.advance(page('5', [listed('b', '2')]))), ['+b', 'synced present', 'watch 5']);
});

t.test('events are changes, and move the place in history; so do bookmarks', async (t) => {
  const session = listedSession();
  t.same(say(session.advance({ kind: 'watched', events: [put('c', '6'), gone('a', '7')] })), ['+c -a']);
  t.same(say(session.advance({ kind: 'watch-ended', lastedMs: 5 })), ['watch 7']);
  t.same(say(session.advance({ kind: 'watched', events: [{ kind: 'bookmark', resourceVersion: '20' }] })), []);
  t.same(say(session.advance({ kind: 'watch-ended', lastedMs: 5 })), ['watch 20']);
});

t.test('a watch that ends at once, with nothing said, is not begun again at once', async (t) => {
  const session = listedSession();
  t.same(say(session.advance({ kind: 'watch-ended', lastedMs: 5 })), ['wait 250']);
  t.same(say(session.advance({ kind: 'waited' })), ['watch 5']);
  t.same(say(session.advance({ kind: 'watch-ended', lastedMs: 5 })), ['wait 500']);
});

t.test('a place in history that is lost is found again by a list, of which only what differs is told', async (t) => {
  const session = listedSession();
  const lost: WatchEvent = { kind: 'error', status: 410, reason: 'too old' };
  t.same(say(session.advance({ kind: 'watched', events: [put('c', '6'), lost, put('d', '7')] })), ['+c', 'list v1']);
  const again = page('30', [listed('a', '1'), listed('b', '22'), listed('c', '6')]);
  t.same(say(session.advance(again)), ['+b', 'synced present', 'watch 30']);
  t.same(say(session.advance(failed(410))), ['list v1'], 'also where the watch is refused from the beginning');
  t.same(say(session.advance(page('31', [listed('a', '1')]))), ['-b -c', 'synced present', 'watch 31']);
});

t.test('what a list told before it expired is taken back where the next one does not have it', async (t) => {
  const session = new ListWatchSession(custom, times);
  session.advance({ kind: 'start' });
  session.advance(page('5', [listed('a', '1')], 'next'));
  t.same(say(session.advance(failed(410))), ['list v1']);
  t.same(say(session.advance(page('6', [listed('b', '2')]))), ['+b -a', 'synced present', 'watch 6']);
});

t.test('an outage takes nothing away; tries get rarer, and the watch goes on where it was', async (t) => {
  const session = listedSession();
  const delays = Array.from({ length: 9 }, () => {
    const [wait] = say(session.advance(failed(undefined)));
    t.same(say(session.advance({ kind: 'waited' })), ['watch 5']);
    return wait;
  });
  t.same(
    delays,
    [250, 500, 1000, 2000, 4000, 8000, 10_000, 10_000, 10_000].map((delay) => `wait ${delay}`),
  );
  session.advance({ kind: 'watched', events: [put('c', '6')] });
  t.same(say(session.advance(failed(undefined))), ['wait 250'], 'an event forgives');
});

t.test('a watch that is refused again and again gives way to a list', async (t) => {
  const session = listedSession();
  for (let count = 0; count < 3; count += 1) {
    t.same(say(session.advance(failed(500))), [`wait ${250 * 2 ** count}`]);
    t.same(say(session.advance({ kind: 'waited' })), ['watch 5']);
  }
  t.same(say(session.advance(failed(500))), ['wait 2000']);
  t.same(say(session.advance({ kind: 'waited' })), ['list v1']);
});

t.test('a kind that is not served is absent, in its older version too, and is asked for again', async (t) => {
  const session = new ListWatchSession(custom, times);
  session.advance({ kind: 'start' });
  t.same(say(session.advance(failed(404))), ['list v1beta1']);
  t.same(say(session.advance(failed(404))), ['synced absent', 'wait 15000']);
  t.same(say(session.advance({ kind: 'waited' })), ['list v1']);
  t.same(say(session.advance(page('5', [listed('a', '1')]))), ['+a', 'synced present', 'watch 5']);
});

t.test('a kind that hardly anybody serves is asked for less often', async (t) => {
  const session = new ListWatchSession({ ...builtIn, origin: 'custom', patience: 8 }, times);
  session.advance({ kind: 'start' });
  t.same(say(session.advance(failed(404))), ['synced absent', 'wait 120000']);
});

t.test('only the older version is served', async (t) => {
  const session = new ListWatchSession(custom, times);
  session.advance({ kind: 'start' });
  session.advance(failed(404));
  t.same(say(session.advance(page('5', []))), ['synced present', 'watch 5']);
  t.same(say(session.advance({ kind: 'watch-ended', lastedMs: 2000 })), ['watch 5']);
});

t.test('a kind that is gone takes its objects away only where that lasts', async (t) => {
  const session = listedSession();
  t.same(say(session.advance(failed(404, 1_000))), ['list v1']);
  t.same(say(session.advance(failed(404, 1_000))), ['list v1beta1']);
  t.same(say(session.advance(failed(404, 1_000))), ['wait 15000'], 'an API server that starts may not know it yet');
  session.advance({ kind: 'waited' });
  session.advance(failed(404, 61_000));
  t.same(say(session.advance(failed(404, 61_000))), ['-a -b', 'synced absent', 'wait 15000']);
});

t.test('a built-in kind is never absent', async (t) => {
  const session = new ListWatchSession(builtIn, times);
  session.advance({ kind: 'start' });
  t.same(say(session.advance(failed(404))), ['wait 250']);
  t.same(say(session.advance(failed(403))), ['wait 500']);
});

t.test('whatever happens, what was delivered is what the server has after the next list', async (t) => {
  for (let seed = 1; seed <= 30; seed += 1) {
    const random = randomFrom(seed);
    const session = new ListWatchSession(custom, times);
    const delivered = new Map<string, string>();
    const server = new Map<string, string>();
    const take = (event: SessionEvent): void => {
      for (const action of session.advance(event)) {
        if (action.kind !== 'deliver') continue;
        for (const change of action.changes) {
          if (change.kind === 'gone') delivered.delete(change.key);
          else delivered.set(objectKey(change.object), '');
        }
      }
    };
    take({ kind: 'start' });
    for (let version = 1; version < 60; version += 1) {
      const object = listed(`o${Math.floor(random() * 5)}`, `${version}`);
      const isGone = random() < 0.4;
      if (isGone) server.delete(object.key);
      else server.set(object.key, '');
      const isHeard = random() < 0.5;
      if (isHeard) take({ kind: 'watched', events: [{ kind: isGone ? 'gone' : 'put', listed: object }] });
      else take(failed(random() < 0.5 ? undefined : 410, version));
    }
    take(failed(410));
    take(
      page(
        '99',
        [...server.keys()].map((key) => listed(key.split('/').at(-1) ?? '', 'new')),
      ),
    );
    t.same([...delivered.keys()].sort(), [...server.keys()].sort(), `seed ${seed}`);
    t.equal(session.knownCount, server.size);
  }
});
