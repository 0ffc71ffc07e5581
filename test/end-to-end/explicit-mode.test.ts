// The mesh where nothing can be captured: pods are loopback addresses, and the same traffic enters through a SOCKS5 and HTTP proxy of
// each pod. It says what it lacks and what would help; identities, policy, routes and counts are the same as with capture.

import { spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { openAmbientdFolder } from '../support/ambientd-process.ts';
import { eventually, freePort, meshName, samplesWith, startLocalMesh, whyNoCapture } from '../support/local-mesh.ts';

t.setTimeout(120_000);

const skip =
  spawnSync('python3', ['--version']).error === undefined
    ? false
    : 'the program python3 is missing; on Debian: apt install python3';

const manifests = `
apiVersion: v1
kind: Namespace
metadata: { name: shop, labels: { istio.io/dataplane-mode: ambient, istio.io/use-waypoint: door } }
---
apiVersion: v1
kind: Namespace
metadata: { name: direct, labels: { istio.io/dataplane-mode: ambient } }
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: door, namespace: shop }
spec: { gatewayClassName: istio-waypoint, listeners: [{ name: mesh, port: 15008, protocol: HBONE }] }
---
apiVersion: extensions.istio.io/v1alpha1
kind: WasmPlugin
metadata: { name: routes, namespace: shop }
spec:
  targetRefs: [{ kind: Gateway, group: gateway.networking.k8s.io, name: door }]
  url: https://example.com/attributegen.wasm
  pluginConfig:
    attributes:
      - output_attribute: istio_operationId
        match: [{ value: large, condition: "request.url_path == '/large'" }]
---
apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: { name: routes, namespace: shop }
spec:
  metrics:
    - providers: [{ name: prometheus }]
      overrides:
        - match: { metric: REQUEST_COUNT }
          tagOverrides: { route_name: { value: "filter_state['wasm.istio_operationId']" } }
---
${['shop', 'direct']
  .map(
    (namespace) => `
apiVersion: v1
kind: Pod
metadata: { name: files-0, namespace: ${namespace}, labels: { app: files } }
spec: { containers: [{ name: main, image: files, ports: [{ containerPort: 8000 }] }, { name: greet, image: greet, ports: [{ containerPort: 7002 }] }] }
---
apiVersion: v1
kind: Service
metadata: { name: files, namespace: ${namespace} }
spec: { selector: { app: files }, ports: [{ name: http, port: 80, targetPort: 8000 }, { name: tcp-greet, port: 7002 }] }
---`,
  )
  .join('')}
${['friend', 'foe']
  .map(
    (name) => `
apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: shop, labels: { app: ${name} } }
spec: { serviceAccountName: ${name}, containers: [{ name: main, image: client }] }
---`,
  )
  .join('')}
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: no-foes, namespace: direct }
spec: { action: DENY, rules: [{ from: [{ source: { principals: [cluster.local/ns/shop/sa/foe] } }] }] }
`;

/** Speaks first, and answers once its client has ended. */
const greet = `
import os, socket
s = socket.create_server((os.environ['POD_IP'], 7002))
while True:
    c, peer = s.accept()
    c.sendall(b'hello' + bytes([10]))
    c.sendall(b'you said ' + c.makefile().read().encode())
    c.close()
`;

/** A SOCKS5 client of the words that the protocol has, which leaves the name to the proxy. */
const socks = `
import os, socket, sys, urllib.parse
proxy = urllib.parse.urlparse(os.environ['ALL_PROXY'])
c = socket.create_connection((proxy.hostname, proxy.port), 15)
c.sendall(bytes([5, 1, 0]))
assert c.recv(2) == bytes([5, 0])
name = sys.argv[1].encode()
c.sendall(bytes([5, 1, 0, 3, len(name)]) + name + (7002).to_bytes(2, 'big'))
assert c.recv(10)[1] == 0
f = c.makefile()
print(f.readline().strip())
c.sendall(b'goodbye')
c.shutdown(socket.SHUT_WR)
print(f.read())
`;

t.test('without capture', { skip }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'e2e-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const content = randomBytes(20 * 1024 * 1024);
  const hash = createHash('sha256').update(content).digest('hex');
  for (const [name, text] of [
    ['large', content],
    ['greet.py', greet],
    ['socks.py', socks],
  ] as const)
    writeFileSync(join(folder, name), text);
  const run = {
    files: `python3 -m http.server --bind $(POD_IP) --directory ${folder} 8000`,
    greet: `python3 ${folder}/greet.py`,
    client: 'exec sleep 600',
  };
  const mesh = await startLocalMesh(t, {
    name: 'explicit',
    args: ['--no-capture'],
    files: { 'mesh.yaml': manifests, 'ambientd.yaml': JSON.stringify({ run }) },
  });
  const shell = (pod: string, script: string) => mesh.exec(`shop/${pod}`, 'sh', '-c', script);

  await t.test('it says so, and why', async (t) => {
    t.match(
      mesh.running.output(),
      /^mesh \S+, explicit: --no-capture was given, so nothing is captured .*; to capture, leave --no-capture out$/m,
    );
    t.match(await mesh.status(), { mode: 'explicit', modeReason: /no-capture/, modeRemedy: /leave --no-capture out/ });
    t.match(await mesh.pod('shop', 'friend'), { address: /^127\./, enrolled: true, state: 'ready' });
  });

  for (const [way, words] of [
    ['the HTTP proxy that exec sets', ''],
    ['an HTTP CONNECT', '--proxytunnel'],
    ['the SOCKS5 proxy that exec sets', '--proxy $ALL_PROXY'],
  ] as const) {
    await t.test(`${way} carries the bytes as they are, through the waypoint and without one`, async (t) => {
      const script = ['shop', 'direct'].map(
        (namespace) => `curl -s --max-time 20 ${words} http://files.${namespace}/large | sha256sum`,
      );
      t.same((await shell('friend', script.join('\n'))).output.split(/\s+-\s+/), [hash, hash, '']);
    });
  }

  await t.test('any TCP goes through SOCKS5: a server may speak first, and a client may end first', async (t) => {
    const script = ['shop', 'direct'].map((namespace) => `python3 ${folder}/socks.py files.${namespace}`);
    t.match(await shell('friend', script.join('\n')), { output: 'hello\nyou said goodbye\n'.repeat(2), errors: '' });
  });

  await t.test('the waypoint counts by route and knows the client', async (t) => {
    await shell('friend', 'curl -s -o /dev/null http://files/none');
    const labels = {
      reporter: 'waypoint',
      source_principal: 'spiffe://cluster.local/ns/shop/sa/friend',
      destination_service_name: 'files',
    };
    const counted = async () =>
      samplesWith(await mesh.samples('waypoints'), 'istio_requests_total', labels).map((each) => [
        each.labels['route_name'],
        each.labels['response_code'],
        each.value,
      ]);
    t.same((await eventually(counted, (found) => found.length === 2)).sort(), [
      ['large', '200', 3],
      ['unknown', '404', 1],
    ]);
  });

  await t.test('ztunnel counts both sides, with mutual TLS between them', async (t) => {
    for (const reporter of ['source', 'destination']) {
      const labels = {
        reporter,
        source_workload: 'friend',
        destination_workload: 'files-0',
        connection_security_policy: 'mutual_tls',
      };
      const closed = async () =>
        samplesWith(await mesh.samples('ztunnel'), 'istio_tcp_connections_closed_total', labels);
      t.ok((await eventually(closed, (found) => found.length > 0)).length > 0, reporter);
    }
  });

  await t.test('policy holds by service account', async (t) => {
    t.equal((await shell('friend', 'curl -sf --max-time 8 -o /dev/null http://files.direct/')).code, 0);
    t.not((await shell('foe', 'curl -sf --max-time 8 -o /dev/null http://files.direct/')).code, 0);
    t.not((await shell('foe', 'curl -sf --max-time 8 -o /dev/null --proxy $ALL_PROXY http://files.direct/')).code, 0);
    t.match(mesh.log('ztunnel'), /explicitly denied by: direct\/no-foes/);
  });
});

/** The same user as in there: run folders carry the user's number. */
const asUp = ['unshare', '-Ur'];

/** Hides a program from what runs inside, wherever the PATH would find it. */
const without = (program: string) => {
  const hide = `for f in /usr/bin /usr/sbin; do [ -e $f/${program} ] && mount --bind /dev/null "$(readlink -f $f/${program})"; done`;
  return ['unshare', '-Urm', 'sh', '-c', `${hide}; exec "$@"`, 'sh'];
};

for (const [program, packaged] of [
  ['nft', 'nftables'],
  ['ip', 'iproute2'],
] as const) {
  t.test(
    `where the program ${program} is missing, it says how to get it`,
    { skip: await whyNoCapture() },
    async (t) => {
      const around = openAmbientdFolder();
      t.teardown(around.remove);
      const file = join(around.path, 'one.yaml');
      writeFileSync(file, 'apiVersion: v1\nkind: Pod\nmetadata: { name: one }\nspec: { containers: [] }\n');
      const name = meshName('lacks');
      const up = around.runUnder(without(program), 'up', file, '--name', name, '--port', `${await freePort()}`);
      const status = await eventually(
        () => around.runUnder(asUp, 'status', '--json', '--name', name),
        ({ code }) => code === 0,
      );
      t.match(JSON.parse(status.output || '{}'), {
        mode: 'explicit',
        modeReason: `the program ${program} is missing`,
        modeRemedy: `install it: apt install ${packaged}`,
      });
      t.match(await around.runUnder(asUp, 'down', '--name', name), { code: 0 });
      t.match(
        (await up).output,
        new RegExp(`explicit: the program ${program} is missing.*to capture, install it: apt install ${packaged}`),
      );
      t.ok(await around.isClean());
    },
  );
}
