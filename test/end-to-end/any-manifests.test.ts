// `ambientd up` for whatever lies in a folder: YAML and JSON, lists and several documents, every kind of workload; what a container runs,
// and how to look at it and run commands in it.
import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { eventually, type LocalMesh, startLocalMesh, whyNoCapture } from '../support/local-mesh.ts';

t.setTimeout(120_000);

const skip = await whyNoCapture();
const command = fileURLToPath(new URL('../../deploy/local/ambientd.mjs', import.meta.url));

const template = (kind: string, app: string, image: string, port: number) => ({
  metadata: { labels: { app } },
  spec: {
    ...(kind === 'Job' && { restartPolicy: 'Never' }),
    serviceAccountName: app,
    containers: [{ name: 'main', image, ports: [{ containerPort: port }] }],
  },
});
const workload = (kind: string, app: string, image: string, port: number, replicas?: number) => ({
  apiVersion: kind === 'Job' ? 'batch/v1' : 'apps/v1',
  kind,
  metadata: { name: app, namespace: 'shop' },
  spec: { replicas, serviceName: app, selector: { matchLabels: { app } }, template: template(kind, app, image, port) },
});
const service = (app: string, port: number, more: Readonly<Record<string, unknown>> = {}) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: app, namespace: 'shop' },
  spec: { selector: { app }, ports: [{ name: 'http', port }], ...more },
});

const files = {
  'namespace.yml':
    'apiVersion: v1\nkind: Namespace\nmetadata: { name: shop, labels: { istio.io/dataplane-mode: ambient } }\n',
  'list.json': JSON.stringify({
    apiVersion: 'v1',
    kind: 'List',
    items: [
      workload('Deployment', 'web', 'unmapped:1', 8080, 2),
      service('web', 8080),
      workload('DaemonSet', 'agent', 'registry.example.com/team/agent:2.1@sha256:0123', 8081),
      service('agent', 8081),
    ],
  }),
  'stateful.yaml': `# two documents
---
${JSON.stringify(workload('StatefulSet', 'store', 'team/store', 8082, 2))}
---
${JSON.stringify(service('store', 8082, { clusterIP: 'None' }))}
`,
  'outside.yaml': JSON.stringify({
    apiVersion: 'networking.istio.io/v1',
    kind: 'ServiceEntry',
    metadata: { name: 'partner', namespace: 'shop' },
    spec: {
      hosts: ['*.partner.example'],
      addresses: ['240.9.9.9'],
      resolution: 'NONE',
      ports: [{ name: 'http', number: 80 }],
    },
  }),
  'job.yaml': JSON.stringify(workload('Job', 'once', 'once', 8083)),
  'ambientd.yaml': `
run:
  agent: ["python3", "-c", "import http.server, os; http.server.test(http.server.SimpleHTTPRequestHandler, port=8081, bind=os.environ['POD_IP'])"]
  team/store: "exec ${process.execPath} ${fileURLToPath(new URL('../../deploy/local/echo/main.ts', import.meta.url))}"
  once: "echo lost"
env:
  GREETING: hello from $(POD_NAME)
`,
};

async function execWithInput(mesh: LocalMesh, pod: string, input: string, argv: readonly string[]) {
  const child = spawn(process.execPath, [command, 'exec', pod, '--name', mesh.name, '--', ...argv], {
    env: { ...process.env, TMPDIR: mesh.around.path, XDG_RUNTIME_DIR: '' },
    stdio: ['pipe', 'pipe', 'inherit'],
    timeout: 20_000,
  });
  child.stdin.end(input);
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  return { output: await text(child.stdout), code: await ended };
}

t.test('a folder of manifests', { skip }, async (t) => {
  const mesh = await startLocalMesh(t, { name: 'any', files, args: ['--run', 'once=echo "$GREETING" and out'] });
  const { pods } = await eventually(
    () => mesh.status(),
    (status) => status.pods.some(({ workload: of, state }) => of === 'once' && state === 'succeeded'),
  );

  await t.test('every kind of workload has its pods, with names and identities as in a cluster', async (t) => {
    const found = pods.map(({ workload: of, name, identity, state }) => [of, name, identity.split('/').at(-1), state]);
    t.match(found, [
      ['agent', /^agent-[a-z0-9]{5}$/, 'agent', 'ready'],
      ['once', /^once-[a-z0-9]{5}$/, 'once', 'succeeded'],
      ['store', 'store-0', 'store', 'ready'],
      ['store', 'store-1', 'store', 'ready'],
      ['web', /^web-[a-z0-9]+-[a-z0-9]{5}$/, 'web', 'ready'],
      ['web', /^web-[a-z0-9]+-[a-z0-9]{5}$/, 'web', 'ready'],
    ]);
    t.equal(new Set(pods.map(({ address }) => address)).size, pods.length, 'each with an address of its own');
  });

  await t.test('a container without a command is an echo, and it is said', async (t) => {
    t.match(
      mesh.running.output(),
      /container main of shop\/web runs the built-in echo \(it answers on 8080\): no command for image "unmapped:1"; map it in ambientd\.yaml or with --run/,
    );
    const answer = await mesh.curl('shop/store-0', '-d', 'words', 'http://web:8080/a?b=c');
    t.match(JSON.parse(answer.body), { pod: /^web-/, method: 'POST', url: '/a?b=c', body: 'words' });
    const raw = await execWithInput(mesh, 'shop/store-0', '', [
      'python3',
      '-c',
      'import socket; c = socket.create_connection(("web", 8080), 9); c.sendall(b"any bytes"); c.shutdown(1); print(c.makefile().read())',
    ]);
    t.match(raw, { output: 'any bytes\n', code: 0 }, 'of any TCP');
  });

  await t.test('commands are found by ever shorter names of the image, and --run wins', async (t) => {
    t.match(await mesh.curl('shop/web', 'http://agent:8081/'), { status: 200, body: /Directory listing/ });
    t.match(await mesh.curl('shop/web', 'http://store-1.store:8082/'), { status: 200, body: /"pod":"store-1"/ });
    const [once] = pods.filter(({ workload: of }) => of === 'once');
    t.match(mesh.log('shop.once'), `hello from ${once?.name} and out`);
    t.notMatch(mesh.log('shop.once'), 'lost');
  });

  await t.test('DNS answers programs that read no hosts file, and what it cannot answer fails at once', async (t) => {
    const ask = (name: string): string =>
      `resolver.resolve4('${name}').then((found) => found.length, ({ code }) => code)`;
    const script = `const resolver = new (require('node:dns').promises.Resolver)({ timeout: 4000, tries: 1 });
      const began = performance.now();
      Promise.all([${['web', 'web.shop', 'agent.shop.svc.cluster.local', 'store', 'eu.partner.example', 'www.example.net'].map(ask)}])
        .then((found) => process.stdout.write(JSON.stringify([...found, performance.now() - began < 3000])));`;
    const { output } = await mesh.exec('shop/web', process.execPath, '-e', script);
    t.same(JSON.parse(output), [1, 1, 1, 2, 1, 'ESERVFAIL', true]);
    t.match(
      await mesh.metrics('ztunnel'),
      /istio_dns_requests_total\{request_query_type="a",request_protocol="udp".*\} 6/,
    );
  });

  await t.test('a command runs as a pod: its input, output, exit code, names and identity', async (t) => {
    t.same(await execWithInput(mesh, 'shop/web', 'as it was\n', ['cat']), { output: 'as it was\n', code: 0 });
    t.match(await mesh.exec('shop/store-1', 'sh', '-c', 'hostname; echo $POD_IP; exit 7'), {
      code: 7,
      output: `store-1\n${pods.find(({ name }) => name === 'store-1')?.address}\n`,
    });
    t.match(await mesh.exec('shop/web', 'no-such-program'), { code: 127, errors: /no-such-program/ });
    t.match(await mesh.exec('shop/nobody', 'true'), {
      code: 64,
      errors: /^ambientd: no pod shop\/nobody: there are shop\/agent-/,
    });
  });

  await t.test('status says what there is, for people and for programs', async (t) => {
    const { output, code } = await mesh.around.run('status', '--name', mesh.name);
    t.equal(code, 0);
    for (const { name, address, identity } of pods)
      t.match(output, new RegExp(`shop/${name} +${address} +enrolled +\\S+ +${identity}`));
    t.match(output, new RegExp(`metrics ${mesh.gate}metrics/ztunnel, admin ${mesh.gate}admin/ztunnel/config_dump`));
    const json = await mesh.around.run('status', '--json', '--name', mesh.name);
    t.match(JSON.parse(json.output), {
      mesh: mesh.name,
      mode: 'captured',
      pods: pods.map(({ name, address }) => ({ name, address })),
    });
    const dump = await fetch(`${mesh.gate}admin/ztunnel/config_dump`).then((response) => response.json());
    t.ok(JSON.stringify(dump).includes('store-1'), "ztunnel's own view is behind its URL");
  });
});
