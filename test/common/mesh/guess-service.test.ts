import t from 'tap';
import { guessService } from '../../../common/mesh/guess-service.ts';
import { aService, aWorkload, meshOf, ports } from '../../support/mesh-objects.ts';

const workload = aWorkload({
  name: 'a',
  services: {
    'default/unknown.example': [],
    'default/web.default.svc.cluster.local': [],
    'default/named.default.svc.cluster.local': ports(9000, 9001),
  },
});
const named = aService({ name: 'named', ports: ports(9000, 0) });
const mesh = meshOf({
  workloads: [workload],
  services: [aService({ name: 'web' }), named, aService({ name: 'other' })],
});

function guess(upstreamPort: number, forwardedHost?: string, requested?: typeof named): string | undefined {
  return guessService({ mesh, workload, requested, forwardedHost, upstreamPort })?.name;
}

t.test('the service that the request names is the one', (t) => {
  t.equal(guess(8080, 'web.default.svc.cluster.local', named), 'named');
  t.end();
});

t.test('else the forwarded host decides, where it is a service of the workload', (t) => {
  t.equal(guess(8080, 'named.default.svc.cluster.local'), 'named');
  t.equal(guess(8080, 'other.default.svc.cluster.local'), 'web');
  t.end();
});

t.test('else the first service that leads to the port', (t) => {
  t.equal(guess(8080), 'web');
  t.equal(guess(9001), 'named');
  t.equal(guess(9000), undefined);
  t.end();
});
