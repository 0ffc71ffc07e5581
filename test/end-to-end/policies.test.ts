// Who may talk to whom, from the manifests that users write: AuthorizationPolicy and PeerAuthentication as the mesh enforces them
// between real pods, what the access log and the metrics say about it, and that no traffic slips past a dead waypoint.
import { readFileSync } from 'node:fs';
import t from 'tap';
import { eventually, type LocalMesh, samplesWith, startLocalMesh, whyNoCapture } from '../support/local-mesh.ts';

t.setTimeout(120_000);

const skip = await whyNoCapture();

const client = (name: string, namespace: string) => `
apiVersion: v1
kind: ServiceAccount
metadata: { name: ${name}, namespace: ${namespace} }
---
apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: ${namespace}, labels: { app: ${name} } }
spec: { serviceAccountName: ${name}, containers: [{ name: main, image: client }] }
---`;

const server = (name: string, namespace: string) => `
apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: ${namespace}, labels: { app: ${name} } }
spec: { containers: [{ name: main, image: echo, ports: [{ containerPort: 8080 }] }] }
---
apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: ${namespace} }
spec: { selector: { app: ${name} }, ports: [{ name: http, port: 80, targetPort: 8080 }] }
---`;

const mesh = `
apiVersion: v1
kind: Namespace
metadata: { name: shop, labels: { istio.io/dataplane-mode: ambient } }
---
apiVersion: v1
kind: Namespace
metadata: { name: behind, labels: { istio.io/dataplane-mode: ambient, istio.io/use-waypoint: door } }
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: door, namespace: behind }
spec: { gatewayClassName: istio-waypoint, listeners: [{ name: mesh, port: 15008, protocol: HBONE }] }
---
${['friend', 'foe', 'stranger'].map((name) => client(name, 'shop')).join('')}
${client('outsider', 'plain')}
${['allowed', 'denied', 'strict', 'permissive', 'unreadable'].map((name) => server(name, 'shop')).join('')}
${server('inner', 'behind')}
`;

const policy = (name: string, app: string, spec: string) => `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: ${name}, namespace: shop }
spec: { selector: { matchLabels: { app: ${app} } }, ${spec} }
---`;

const peerAuthentication = (app: string, mode: string) => `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: ${app}, namespace: shop }
spec: { selector: { matchLabels: { app: ${app} } }, mtls: { mode: ${mode} } }
---`;

const policies = `
${policy('friends-only', 'allowed', 'action: ALLOW, rules: [{ from: [{ source: { principals: [cluster.local/ns/shop/sa/friend] } }] }]')}
${policy('no-foes', 'denied', 'action: DENY, rules: [{ from: [{ source: { principals: ["*/sa/foe"] } }] }]')}
${policy('needs-http', 'unreadable', 'action: ALLOW, rules: [{ to: [{ operation: { methods: [GET] } }] }]')}
${peerAuthentication('strict', 'STRICT')}
${peerAuthentication('permissive', 'PERMISSIVE')}
`;

/** curl's exit codes for a connection that ended before an answer: reset while it waited for it to open, closed, reset. */
const cutOff = [7, 52, 56];

/** The waypoint's process, numbered as outside of the mesh. */
function waypointOf(mesh: LocalMesh): number {
  const found = mesh.around
    .processes()
    .find((pid) => readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes('GATEWAY_NAME=door'));
  if (found === undefined) throw new Error('no waypoint runs');
  return found;
}

t.test('policy between pods', { skip }, async (t) => {
  const shop = await startLocalMesh(t, { name: 'policy', files: { 'mesh.yaml': mesh, 'policies.yaml': policies } });

  /** Asks every server from one pod; which exit code curl gave for each, 0 for an answer. */
  const ask = async (pod: string, hosts: readonly string[]): Promise<Record<string, string>> => {
    const urls = hosts.map((host) => `http://${host}/`);
    const script = 'for url in "$@"; do curl -sf --max-time 8 -o /dev/null "$url"; echo "$?"; done';
    const { output } = await shop.exec(pod, 'sh', '-c', script, 'sh', ...urls);
    const codes = output.trim().split('\n').map(Number);
    return Object.fromEntries(
      hosts.map((host, index) => {
        const code = codes[index] ?? -1;
        return [host, code === 0 ? 'served' : cutOff.includes(code) ? 'cut off' : `curl ${code}`];
      }),
    );
  };

  await t.test('ALLOW lets in the service account it names and nobody else, in the mesh or out of it', async (t) => {
    t.same(await ask('shop/friend', ['allowed.shop']), { 'allowed.shop': 'served' });
    t.same(await ask('shop/stranger', ['allowed.shop']), { 'allowed.shop': 'cut off' });
    t.same(await ask('plain/outsider', ['allowed.shop']), { 'allowed.shop': 'cut off' });
  });

  await t.test('DENY keeps out the service account it names and nobody else', async (t) => {
    t.same(await ask('shop/foe', ['denied.shop']), { 'denied.shop': 'cut off' });
    t.same(await ask('shop/friend', ['denied.shop']), { 'denied.shop': 'served' });
    t.same(await ask('plain/outsider', ['denied.shop']), { 'denied.shop': 'served' });
  });

  await t.test('STRICT refuses plain text, PERMISSIVE takes it; pods of the mesh are served by both', async (t) => {
    t.same(await ask('shop/friend', ['strict.shop', 'permissive.shop']), {
      'strict.shop': 'served',
      'permissive.shop': 'served',
    });
    t.same(await ask('plain/outsider', ['strict.shop', 'permissive.shop']), {
      'strict.shop': 'cut off',
      'permissive.shop': 'served',
    });
  });

  await t.test('an ALLOW rule that ztunnel cannot read lets nobody in', async (t) => {
    t.same(await ask('shop/friend', ['unreadable.shop']), { 'unreadable.shop': 'cut off' });
  });

  await t.test('the access log names the policy, the metrics say DENY', async (t) => {
    const log = await eventually(
      () => shop.log('ztunnel'),
      (text) => text.includes('shop/no-foes') && text.includes('none allowed'),
    );
    const lines = log.split('\n').filter((line) => line.includes('direction="inbound"'));
    t.ok(
      lines.some(
        (line) =>
          line.includes('src.identity="spiffe://cluster.local/ns/shop/sa/foe"') &&
          line.includes('explicitly denied by: shop/no-foes'),
      ),
      'who was denied, and by what',
    );
    t.ok(
      lines.some(
        (line) =>
          line.includes('src.identity="spiffe://cluster.local/ns/shop/sa/stranger"') &&
          line.includes('allow policies exist, but none allowed'),
      ),
      'who was not allowed',
    );
    const denied = (labels: Record<string, string>) =>
      shop
        .samples('ztunnel')
        .then((all) => samplesWith(all, 'istio_tcp_connections_closed_total', { response_flags: 'DENY', ...labels }));
    const foe = { reporter: 'destination', source_workload: 'foe', destination_workload: 'denied' };
    t.equal(
      (
        await eventually(
          () => denied(foe),
          (found) => found.length > 0,
        )
      )[0]?.value,
      1,
    );
    const plain = { destination_workload: 'strict', connection_security_policy: 'unknown' };
    t.equal((await denied(plain))[0]?.value, 1);
  });

  await t.test('a policy that is deleted is gone, one that is added counts, without a restart', async (t) => {
    shop.write(
      'policies.yaml',
      policy('no-friends', 'denied', 'action: DENY, rules: [{ from: [{ source: { principals: ["*/sa/friend"] } }] }]'),
    );
    const outcome = () => ask('shop/friend', ['denied.shop']);
    t.same(await eventually(outcome, (found) => found['denied.shop'] === 'cut off'), { 'denied.shop': 'cut off' });
    t.same(await ask('shop/foe', ['denied.shop', 'allowed.shop']), {
      'denied.shop': 'served',
      'allowed.shop': 'served',
    });
  });

  await t.test(
    'nothing slips past a waypoint that hangs or is dead, and traffic resumes when it is back',
    async (t) => {
      const served = () => ask('shop/friend', ['inner.behind']).then((found) => found['inner.behind'] === 'served');
      t.ok(await served());

      process.kill(waypointOf(shop), 'SIGSTOP');
      const hung = await shop.exec('shop/friend', 'curl', '-sf', '--max-time', '2', 'http://inner.behind/');
      process.kill(waypointOf(shop), 'SIGCONT');
      t.equal(hung.code, 28, 'no answer, not another way to one');
      t.ok(await eventually(served, (good) => good), 'served again when it goes on');

      const rounds =
        'i=0; while [ $i -lt 40 ]; do curl -sf --max-time 5 -o /dev/null http://inner.behind/; echo $?; i=$((i+1)); sleep 0.05; done';
      const asking = shop.exec('shop/friend', 'sh', '-c', `echo begun > /dev/stderr; ${rounds}`);
      process.kill(waypointOf(shop), 'SIGKILL');
      const codes = (await asking).output.trim().split('\n').map(Number);
      t.ok(
        codes.some((code) => code !== 0),
        'refused while it is dead',
      );
      t.ok(await eventually(served, (good) => good), 'served again by the next one');

      const direct = samplesWith(await shop.samples('ztunnel'), 'istio_tcp_connections_opened_total', {
        reporter: 'destination',
        source_workload: 'friend',
        destination_workload: 'inner',
      });
      t.same(direct, [], 'no connection has reached the server but through the waypoint');
      t.match(
        shop.log('ztunnel'),
        /error=.*dst.service="inner.behind.svc.cluster.local"|dst.service="inner.behind.svc.cluster.local".*error=/,
      );
    },
  );
});
