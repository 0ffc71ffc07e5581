// The laptop mesh as its users meet it: `ambientd` from the outside, with real namespaces, daemons and metrics.
// Parts that need network namespaces are skipped, with the reason, where the machine has none.
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { findCapabilities } from '../../../deploy/local/capabilities-process.ts';
import { fetchSamples, fetchStatus } from '../../../deploy/local/gate-client.ts';
import type { Sample } from '../../../deploy/local/prometheus-text.ts';
import { openAmbientdFolder, pause, type RunningMesh } from '../../support/ambientd-process.ts';

t.setTimeout(150_000);

const root = fileURLToPath(new URL('../../../', import.meta.url));
const shared = process.env['AMBIENTD_SHARED'] ?? join(root, '..', 'shared');
const usersFile = join(shared, 'manifests', 'podinfo-per-route.yaml');
const { mode } = await findCapabilities('if-possible');
const noCapture = mode.kind === 'captured' ? false : `no network namespaces here: ${mode.reason}`;
const noUsersFile = existsSync(usersFile) ? false : `no ${usersFile}`;

const example = join(root, 'deploy', 'examples', 'podinfo');
const podinfo = `
apiVersion: apps/v1
kind: Deployment
metadata: { name: podinfo, namespace: podinfo }
spec:
  template:
    metadata: { labels: { app: podinfo } }
    spec: { containers: [{ name: podinfo, image: podinfo, ports: [{ name: http, containerPort: 9898 }] }] }
---
apiVersion: v1
kind: Service
metadata: { name: podinfo-svc, namespace: podinfo }
spec: { selector: { app: podinfo }, ports: [{ name: http, port: 9898, targetPort: http }] }
---
apiVersion: v1
kind: Pod
metadata: { name: client, namespace: podinfo }
spec: { containers: [] }
---
apiVersion: v1
kind: Pod
metadata: { name: outsider, namespace: plain }
spec: { containers: [] }
`;

function gateOf(mesh: RunningMesh): string {
  return /overview +(http:\S+)/.exec(mesh.output())?.[1] ?? '';
}

async function samplesOf(gate: string, enough: (samples: readonly Sample[]) => boolean): Promise<readonly Sample[]> {
  for (let tries = 0; ; tries += 1) {
    const samples = await fetchSamples(await fetchStatus(gate));
    if (enough(samples) || tries > 40) return samples;
    await pause(100);
  }
}

async function waitFor(condition: () => Promise<boolean>): Promise<boolean> {
  for (let tries = 0; tries < 150; tries += 1) {
    if (await condition()) return true;
    await pause(100);
  }
  return false;
}

/** A request as that pod, by the same way as anybody's `ambientd exec`; the last line is the status code. */
const fetchScript = (url: string, method: string) =>
  `const r = await fetch('${url}', { method: '${method}', ...('${method}' === 'POST' && { body: 'test' }), signal: AbortSignal.timeout(8000) }); process.stdout.write((await r.text()).trim() + '\\n' + r.status + '\\n')`;

t.test(
  "the users' own podinfo manifest, byte for byte, with their Deployment beside it",
  { skip: noUsersFile || noCapture },
  async (t) => {
    const folder = openAmbientdFolder();
    const own = join(folder.path, 'own');
    mkdirSync(own);
    writeFileSync(join(own, 'podinfo.yaml'), podinfo);
    writeFileSync(join(own, 'ambientd.yaml'), `run: { podinfo: [node, ${join(example, 'main.ts')}] }\n`);
    const mesh = folder.start('up', usersFile, own);
    t.teardown(async () => {
      mesh.process.kill('SIGTERM');
      await mesh.ended;
      folder.remove();
    });
    await mesh.says(/istio_tcp/);
    const gate = gateOf(mesh);
    const get = (pod: string, path: string, method = 'GET') =>
      folder.run(
        'exec',
        pod,
        '--',
        process.execPath,
        '-e',
        fetchScript(`http://podinfo-svc.podinfo:9898${path}`, method),
      );

    t.match(await get('podinfo/client', '/healthz'), { code: 0, output: /OK.*\n200/ });
    t.match(await get('podinfo/client', '/echo', 'POST'), { code: 0, output: 'test\n202\n' });
    t.match(await get('podinfo/client', '/version'), { code: 0, output: /\n200/ });
    t.match(
      await get('plain/outsider', '/healthz'),
      { code: 0, output: /200/ },
      'a pod outside the mesh reaches it in plain',
    );

    const requests = (samples: readonly Sample[]) => samples.filter(({ name }) => name === 'istio_requests_total');
    const samples = await samplesOf(gate, (found) => requests(found).length >= 3);
    const routes = new Map(requests(samples).map(({ labels, value }) => [labels['route_name'], { labels, value }]));
    t.same([...routes.keys()].sort(), ['GET /healthz', 'POST /echo', 'unknown']);
    t.match(routes.get('GET /healthz'), {
      value: 1,
      labels: {
        reporter: 'waypoint',
        source_workload: 'client',
        source_principal: 'spiffe://cluster.local/ns/podinfo/sa/default',
        destination_workload: 'podinfo',
        destination_app: 'podinfo',
        destination_service: 'podinfo-svc.podinfo.svc.cluster.local',
        response_code: '200',
        connection_security_policy: 'mutual_tls',
      },
    });

    const status = JSON.parse((await folder.run('status', '--json')).output);
    t.match(
      status.pods.find((pod: { name: string }) => pod.name === 'client'),
      {
        enrolled: true,
        identity: 'spiffe://cluster.local/ns/podinfo/sa/default',
        address: /^10\.244\./,
      },
    );
    t.match(status.waypoints, [{ namespace: 'podinfo', gateway: 'podinfo-waypoint', state: 'ready' }]);
    t.match(await folder.run('exec', 'podinfo/nobody', '--', 'true'), {
      code: 64,
      errors: /no pod podinfo\/nobody: there are podinfo\/client/,
    });
    t.match(await folder.run('exec', 'podinfo/client', '--', 'sh', '-c', 'exit 7'), { code: 7 });
    t.match(await folder.run('up', usersFile), {
      code: 64,
      errors: /^ambientd: a mesh named "mesh" runs already.*\n$/,
    });

    await t.test('an edit takes effect while it runs; a broken one is told and changes nothing', async (t) => {
      const names = async () => (await fetchStatus(gate)).pods.map(({ workload, state }) => `${workload} ${state}`);
      const before = await names();
      writeFileSync(
        join(own, 'more.yaml'),
        'apiVersion: v1\nkind: Pod\nmetadata: { name: late, namespace: plain }\nspec: { containers: [] }\n',
      );
      t.ok(await waitFor(async () => (await names()).includes('late ready')));
      writeFileSync(join(own, 'podinfo.yaml'), `${podinfo}\n---\nkind: [`);
      await mesh.says(/podinfo\.yaml:\d+/);
      t.same(
        (await names()).filter((name) => !name.startsWith('late')),
        before,
      );
      writeFileSync(
        join(own, 'podinfo.yaml'),
        podinfo.replace('name: outsider, namespace: plain', 'name: outsider, namespace: podinfo'),
      );
      t.ok(
        await waitFor(async () =>
          (await fetchStatus(gate)).pods.some(
            (pod) => pod.name === 'outsider' && pod.enrolled && pod.state === 'ready',
          ),
        ),
      );
    });
  },
);

t.test('the demo checks itself and leaves nothing', { skip: noCapture }, async (t) => {
  const folder = openAmbientdFolder();
  t.teardown(folder.remove);
  const { code, output, errors } = await folder.run('demo', '--once');
  t.equal(code, 0, errors);
  t.match(output, /GET \/healthz +podinfo-svc \(podinfo\) +200 +waypoint/);
  t.ok(await folder.isClean());
});

t.test('without namespaces the same traffic goes through the explicit entries', async (t) => {
  const folder = openAmbientdFolder();
  t.teardown(folder.remove);
  const { code, output, errors } = await folder.run('demo', '--once', '--no-capture');
  t.equal(code, 0, errors);
  t.match(output, /explicit: --no-capture was given/);
  t.ok(await folder.isClean());
});

/** A user namespace that permits no further one: what a hardened machine is like. */
const hardened = ['unshare', '-Ur', 'sh', '-c', 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"', 'sh'];

t.test(
  'where namespaces are refused it says so, and carries the traffic all the same',
  { skip: noCapture },
  async (t) => {
    const folder = openAmbientdFolder();
    t.teardown(folder.remove);
    const { code, output, errors } = await folder.runUnder(hardened, 'demo', '--once');
    t.equal(code, 0, errors);
    t.match(output, /explicit: user namespaces are refused .*to capture, allow them: sysctl/);
    t.ok(await folder.isClean());
  },
);

const quiet =
  'apiVersion: v1\nkind: Pod\nmetadata: { name: one }\nspec: { containers: [{ name: c, image: x, ports: [{ containerPort: 8080 }] }] }\n';

const endings: readonly (readonly [
  string,
  (mesh: RunningMesh, run: (...words: string[]) => Promise<unknown>) => Promise<void>,
])[] = [
  ['a killed command', async (mesh) => void mesh.process.kill('SIGKILL')],
  // A terminal sends it to the whole group.
  ['Ctrl-C', async (mesh) => void process.kill(-(mesh.process.pid ?? 0), 'SIGINT')],
  ['a signal', async (mesh) => void mesh.process.kill('SIGTERM')],
  ['ambientd down', async (_mesh, run) => void (await run('down'))],
];
for (const capture of ['', '--no-capture']) {
  for (const [name, end] of endings) {
    const skip = capture === '' && noCapture;
    t.test(`${name} leaves no process and no file behind ${capture}`, { skip }, async (t) => {
      const folder = openAmbientdFolder();
      t.teardown(folder.remove);
      const file = join(folder.path, 'one.yaml');
      writeFileSync(file, quiet);
      const mesh = folder.start('up', file, ...(capture === '' ? [] : [capture]));
      await mesh.says(/istio_tcp/);
      t.not(folder.runFolders().length, 0);
      t.not(folder.processes().length, 0);
      await end(mesh, folder.run);
      t.ok(await folder.isClean());
      await mesh.ended;
    });
  }
}

t.test('the launcher itself killed: nothing is left either', { skip: noCapture }, async (t) => {
  const folder = openAmbientdFolder();
  t.teardown(folder.remove);
  copyFileSync(join(example, 'podinfo.yaml'), join(folder.path, 'podinfo.yaml'));
  const mesh = folder.start('up', join(folder.path, 'podinfo.yaml'));
  await mesh.says(/overview/);
  const { launcher } = JSON.parse(readFileSync(join(folder.path, folder.runFolders()[0] ?? '', 'mesh.json'), 'utf8'));
  process.kill(launcher.pid, 'SIGKILL');
  t.ok(await folder.isClean());
  t.match(await mesh.ended, { code: 137 });
});

t.test('killed while it starts: nothing is left either', { skip: noCapture }, async (t) => {
  for (const afterMs of [200, 400, 600, 800]) {
    const folder = openAmbientdFolder();
    t.teardown(folder.remove);
    const mesh = folder.start('up', example);
    await pause(afterMs);
    mesh.process.kill('SIGKILL');
    await mesh.ended;
    t.ok(await folder.isClean(), `after ${afterMs} ms`);
  }
});

t.test('what cannot be is one line and exit code 64', async (t) => {
  const folder = openAmbientdFolder();
  t.teardown(folder.remove);
  const oneLine = /^ambientd: [^\n]+\n$/;
  t.match(await folder.run('up', join(folder.path, 'none.yaml')), { code: 64, errors: /no manifests at .*none\.yaml/ });
  writeFileSync(join(folder.path, 'bad.yaml'), 'kind: [');
  const bad = await folder.run('up', join(folder.path, 'bad.yaml'));
  t.match(bad, { code: 64, errors: /bad\.yaml:\d+/ });
  t.match(bad.errors, oneLine);
  t.match(await folder.run('exec', 'a/b', '--', 'true'), { code: 64, errors: /no mesh runs/ });
  t.match(await folder.run('down', '--name', 'x'), { code: 64, errors: /no mesh named "x" runs/ });
  t.match(await folder.run('fly'), { code: 64, errors: oneLine });
  t.same(folder.runFolders(), []);
});
