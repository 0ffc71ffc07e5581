import t from 'tap';
import type { AuthorizationPolicy } from '../../../common/mesh/authorization-policy.ts';
import { illegalPorts } from '../../../ztunnel/illegal-ports.ts';
import { decidePassthroughAdmission } from '../../../ztunnel/passthrough/passthrough-admission.ts';
import { aPolicy, aService, aWorkload, endAt, meshOf } from '../../support/mesh-objects.ts';

const key = 'default/web.default.svc.cluster.local';
const workload = aWorkload({ name: 'server', addresses: ['10.0.0.2'], services: { [key]: [] } });

function admit(to: string, policies: readonly AuthorizationPolicy[] = []) {
  return decidePassthroughAdmission({
    source: endAt('10.0.0.1:40000'),
    originalDestination: endAt(to),
    identity: undefined,
    host: undefined,
    workload,
    mesh: meshOf({ workloads: [workload], services: [aService({ name: 'web' })], policies }),
    illegalPorts: illegalPorts({ outbound: 15001, inbound: 15008, inboundPlaintext: 15006, socks5: undefined }),
  });
}

t.test('plain text goes on to where it was dialled, and its service is guessed from the port', (t) => {
  t.hasStrict(admit('10.0.0.2:8080'), {
    kind: 'admit',
    upstream: { ip: '10.0.0.2', port: 8080 },
    service: { name: 'web' },
  });
  t.hasStrict(admit('10.0.0.2:1'), { kind: 'admit', service: undefined, verdict: { kind: 'permit' } });
  t.end();
});

t.test('ztunnel’s own ports are refused', (t) => {
  for (const port of [15001, 15006, 15008]) {
    t.hasStrict(admit(`10.0.0.2:${port}`), { kind: 'reject', code: 'SELF_CALL' });
  }
  t.hasStrict(admit('10.0.0.2:15080'), { kind: 'admit' }, 'the SOCKS5 port only where there is such an entry');
  t.end();
});

t.test('where mutual TLS is STRICT plain text is refused', (t) => {
  const notPrincipals = [{ kind: 'presence' }] as const;
  const exempt = { notPrincipals, notDestinationPorts: [9090] };
  const strict = aPolicy({ name: 'strict', action: 'deny', match: exempt });
  t.match(admit('10.0.0.2:8080', [strict]), {
    kind: 'deny',
    code: 'AUTHORIZATION_DENIED',
    detail: /^connection closed due to policy rejection: explicitly denied by: default\/strict .*\(plain text\)/,
    upstream: { ip: '10.0.0.2', port: 8080 },
    service: { name: 'web' },
  });
  t.hasStrict(admit('10.0.0.2:9090', [strict]), { kind: 'admit' }, 'but on an exempt port');
  t.end();
});

t.test('an ALLOW policy by address admits plain text, one by identity does not', (t) => {
  const range = { ip: endAt('10.0.0.0:1').ip, prefixLength: 24 };
  t.hasStrict(admit('10.0.0.2:80', [aPolicy({ name: 'near', match: { sourceIps: [range] } })]), { kind: 'admit' });
  t.match(admit('10.0.0.2:80', [aPolicy({ name: 'any', match: { principals: [{ kind: 'presence' }] } })]), {
    kind: 'deny',
    detail: /allow policies exist, but none allowed \(default\/any: rule 1 does not accept plain text\)/,
  });
  t.end();
});
