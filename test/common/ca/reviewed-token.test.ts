import t from 'tap';
import { readReview, tokenEndMs } from '../../../common/ca/reviewed-token.ts';

const good = {
  authenticated: true,
  audiences: ['istio-ca'],
  user: {
    username: 'system:serviceaccount:istio-system:ztunnel',
    extra: {
      'authentication.kubernetes.io/pod-name': ['ztunnel-abcde'],
      'authentication.kubernetes.io/pod-uid': ['u-1'],
      'authentication.kubernetes.io/node-name': ['node-a'],
    },
  },
};
const audiences = ['istio-ca'];

t.test('a token that is bound to a pod names service account, pod and node', async (t) => {
  t.same(readReview(good, audiences), {
    kind: 'caller',
    caller: {
      namespace: 'istio-system',
      serviceAccount: 'ztunnel',
      pod: { name: 'ztunnel-abcde', uid: 'u-1', node: 'node-a' },
    },
  });
});

t.test('a token that is bound to none names the service account', async (t) => {
  const review = readReview({ ...good, user: { username: good.user.username } }, audiences);
  t.same(review, {
    kind: 'caller',
    caller: { namespace: 'istio-system', serviceAccount: 'ztunnel', pod: undefined },
  });
});

t.test('an API server that tells no node leaves it open', async (t) => {
  const { extra } = good.user;
  const older = { ...extra, 'authentication.kubernetes.io/node-name': [] };
  const review = readReview({ ...good, user: { ...good.user, extra: older } }, audiences);
  t.match(review, { caller: { pod: { name: 'ztunnel-abcde', node: undefined } } });
});

t.test('everything else is refused with the reason', async (t) => {
  const refusals = [
    [undefined, /does not accept the token for the audience istio-ca$/],
    [{ authenticated: false, error: '[token has expired]' }, /istio-ca: \[token has expired\]/],
    [{ ...good, audiences: [] }, /not for the audience istio-ca/],
    [{ ...good, audiences: ['vault'] }, /not for the audience istio-ca/],
    [{ authenticated: true, user: good.user }, /not for the audience/],
    [{ ...good, user: { username: 'system:admin' } }, /"system:admin", which is no service account/],
    [{ ...good, user: { username: 'system:serviceaccount:a:b:c' } }, /no service account/],
    [{ ...good, user: {} }, /no service account/],
  ] as const;
  for (const [status, reason] of refusals) t.match(readReview(status, audiences), { kind: 'refused', reason });
});

t.test('the end of a token is read from it', async (t) => {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  t.equal(tokenEndMs(`${part({ alg: 'RS256' })}.${part({ exp: 1_800_000_000 })}.sig`), 1_800_000_000_000);
  for (const other of ['', 'opaque', 'a.b.c', `x.${part({ exp: 'soon' })}.y`, `x.${part(null)}.y`]) {
    t.equal(tokenEndMs(other), undefined);
  }
});
