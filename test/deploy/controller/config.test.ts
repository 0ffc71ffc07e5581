import t from 'tap';
import { parseControllerConfig } from '../../../deploy/controller/config.ts';

t.test('in a pod nothing has to be set', async (t) => {
  t.match(parseControllerConfig({ KUBERNETES_SERVICE_HOST: '10.96.0.1' }), {
    kind: 'config',
    config: {
      kubeconfigPath: undefined,
      namespace: 'istio-system',
      secretName: 'ambientd-ca',
      trustDomain: 'cluster.local',
      listen: { ip: '0.0.0.0', port: 15_012 },
      serverNames: [
        'istiod.istio-system',
        'istiod.istio-system.svc',
        'istiod.istio-system.svc.cluster.local',
        'ambientd-controller.istio-system',
        'ambientd-controller.istio-system.svc',
        'ambientd-controller.istio-system.svc.cluster.local',
      ],
      audiences: ['istio-ca'],
      trustedNodeAccounts: new Set(['istio-system/ztunnel']),
      rootTerms: {
        rootLifetimeMs: 87_600 * 3_600_000,
        workloadLifetimeMs: 86_400_000,
        overlap: 0.2,
        marginMs: 600_000,
      },
      syncIntervalMs: 60_000,
      metricsPort: 15_020,
      readinessPort: 15_021,
    },
  });
});

t.test('lists are read by commas, and names follow namespace and domain', async (t) => {
  const env = {
    KUBECONFIG: '/k',
    POD_NAMESPACE: 'mesh',
    CLUSTER_DOMAIN: 'corp.example',
    CA_TRUSTED_NODE_ACCOUNTS: 'mesh/ztunnel, kube-system/ztunnel',
    TOKEN_AUDIENCES: 'istio-ca,mine',
    AMBIENTD_CA_LISTEN: '[::]:1234',
  };
  const parsed = parseControllerConfig(env);
  t.match(parsed, {
    config: {
      kubeconfigPath: '/k',
      trustedNodeAccounts: new Set(['mesh/ztunnel', 'kube-system/ztunnel']),
      audiences: ['istio-ca', 'mine'],
      listen: { ip: '::', port: 1234 },
    },
  });
  t.ok(parsed.kind === 'config' && parsed.config.serverNames.includes('istiod.mesh.svc.corp.example'));
});

t.test('all problems are told at once', async (t) => {
  const parsed = parseControllerConfig({
    AMBIENTD_CA_LISTEN: 'everywhere',
    CA_TRUSTED_NODE_ACCOUNTS: 'ztunnel',
    CITADEL_SELF_SIGNED_CA_CERT_TTL: '24h',
    AMBIENTD_SYNC_INTERVAL: '5m',
    RUST_LOG: 'loud',
  });
  if (parsed.kind === 'config') throw new Error('no problems');
  for (const problem of [
    /AMBIENTD_CA_LISTEN=everywhere: expected address:port/,
    /"ztunnel" is no namespace\/service-account/,
    /CITADEL_SELF_SIGNED_CA_CERT_TTL is 86400 s, too short .* at least 438000 s/,
    /AMBIENTD_SYNC_INTERVAL is more than a quarter of AMBIENTD_CA_SPREAD/,
    /RUST_LOG=loud/,
    /API server is not known/,
  ]) {
    t.ok(
      parsed.problems.some((text) => problem.test(text)),
      String(problem),
    );
  }
});
