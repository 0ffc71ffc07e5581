// What people get wrong: each mistake is one line that names file, line, object and remedy; it is exit code 64 where nothing can be
// done about it, and everything around it serves where something can.
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { openAmbientdFolder } from '../support/ambientd-process.ts';
import { eventually, meshName, samplesWith, startLocalMesh, whyNoCapture } from '../support/local-mesh.ts';

t.setTimeout(120_000);

const skip = await whyNoCapture();

const server = (namespace: string) => `
apiVersion: v1
kind: Pod
metadata: { name: server, namespace: ${namespace}, labels: { app: server } }
spec: { containers: [{ name: main, image: echo, ports: [{ containerPort: 8080 }] }] }
---
apiVersion: v1
kind: Service
metadata: { name: server, namespace: ${namespace} }
spec: { selector: { app: server }, ports: [{ name: http, port: 80, targetPort: 8080 }] }
---`;

const good = `
apiVersion: v1
kind: Namespace
metadata: { name: good, labels: { istio.io/dataplane-mode: ambient } }
---
apiVersion: v1
kind: Pod
metadata: { name: client, namespace: good }
spec: { containers: [{ name: main, image: client }] }
---
${server('good')}
`;

interface Mistake {
  readonly file: string;
  readonly text: string;
  /** File and line stand before it; words between are left open. */
  readonly said: RegExp;
}

const mistakes: Readonly<Record<string, Mistake>> = {
  'a waypoint that does not exist': {
    file: 'waypoint.yaml',
    text: `apiVersion: v1
kind: Namespace
metadata: { name: lost, labels: { istio.io/dataplane-mode: ambient, istio.io/use-waypoint: nowhere } }
---
${server('lost')}`,
    said: /waypoint\.yaml:1: Namespace lost: .*names the waypoint lost\/nowhere, and there is no such Gateway, .*; add a Gateway/,
  },
  'two pods with one address': {
    file: 'addresses.yaml',
    text: ['first', 'second']
      .map((name) =>
        [
          'apiVersion: v1',
          'kind: Pod',
          `metadata: { name: ${name}, namespace: good }`,
          'spec: { containers: [] }',
          'status: { podIP: 10.244.7.7 }',
        ].join('\n'),
      )
      .join('\n---\n'),
    said: /addresses\.yaml:7: Pod good\/second: wants the address 10\.244\.7\.7, which Pod good\/first has.*; give one of them another/,
  },
  'a port that is no number': {
    file: 'port.yaml',
    text: `apiVersion: v1
kind: Service
metadata: { name: worded, namespace: good }
spec: { selector: { app: server }, ports: [{ name: http, port: eighty }] }`,
    said: /port\.yaml:1: Service good\/worded: spec\.ports\[0\]\.port is "eighty", not a whole number from 1 to 65535; write/,
  },
  'YAML that does not parse': {
    file: 'syntax.yaml',
    text: `apiVersion: v1
kind: Pod
metadata: { name: torn, namespace: good
spec: {}`,
    said: /syntax\.yaml:4: Pod good\/torn: .*; mend the text/,
  },
  'CEL that does not compile': {
    file: 'cel.yaml',
    text: `apiVersion: v1
kind: Namespace
metadata: { name: routed, labels: { istio.io/dataplane-mode: ambient, istio.io/use-waypoint: door } }
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: door, namespace: routed }
spec: { gatewayClassName: istio-waypoint, listeners: [{ name: mesh, port: 15008, protocol: HBONE }] }
---
apiVersion: extensions.istio.io/v1alpha1
kind: WasmPlugin
metadata: { name: routes, namespace: routed }
spec:
  targetRefs: [{ kind: Gateway, group: gateway.networking.k8s.io, name: door }]
  url: https://example.com/attributegen.wasm
  pluginConfig:
    attributes:
      - output_attribute: istio_operationId
        match: [{ value: all, condition: "request.method == " }]
---
${server('routed')}`,
    said: /cel\.yaml:10: WasmPlugin routed\/routes: spec\.pluginConfig\.attributes\[0\]\.match\[0\]\.condition does not compile: .*; mend the CEL/,
  },
  'a Service without a pod': {
    file: 'target.yaml',
    text: `apiVersion: v1
kind: Service
metadata: { name: nobody, namespace: good }
spec: { selector: { app: nobody }, ports: [{ name: http, port: 80 }] }`,
    said: /target\.yaml:1: Service good\/nobody: spec\.selector selects no pod \(app=nobody\); give the pods/,
  },
  'a Service whose target port nobody has': {
    file: 'target-port.yaml',
    text: `apiVersion: v1
kind: Service
metadata: { name: misnamed, namespace: good }
spec: { selector: { app: server }, ports: [{ name: http, port: 80, targetPort: web }] }`,
    said: /target-port\.yaml:1: Service good\/misnamed: spec\.ports\[0\]\.targetPort is "web", and no container .*; name a port/,
  },
};

t.test('what is wrong in manifests is said, and the rest serves', { skip }, async (t) => {
  const files = Object.fromEntries(Object.values(mistakes).map(({ file, text }) => [file, text]));
  files['good.yaml'] = good;
  files['kind.yaml'] = 'apiVersion: example.com/v1\nkind: Novelty\nmetadata: { name: novel }\n';
  const mesh = await startLocalMesh(t, { name: 'bad', files });
  const lines = mesh.running.output().split('\n');
  const { problems, pods } = await mesh.status();

  for (const [mistake, { said }] of Object.entries(mistakes)) {
    await t.test(mistake, async (t) => {
      t.equal(lines.filter((line) => line.startsWith('warning: ') && said.test(line)).length, 1, `one line: ${said}`);
      t.equal(problems.filter((problem) => said.test(problem)).length, 1, 'and status says it too');
    });
  }

  await t.test('nothing else is warned of', async (t) => {
    const others = lines.filter((line) => line.startsWith('warning: '));
    t.same(
      others.filter((line) => !Object.values(mistakes).some(({ said }) => said.test(line))),
      [],
    );
  });

  await t.test('a kind that is not used is listed once, and is no warning', async (t) => {
    t.same(
      lines.filter((line) => line.includes('Novelty') && !line.startsWith('  ')),
      ['kinds that are not used yet: Novelty (example.com); they change nothing'],
    );
  });

  await t.test('what can serve serves', async (t) => {
    for (const host of ['server.good', 'server.lost', 'server.routed']) {
      t.match(await mesh.curl('good/client', `http://${host}/`), { status: 200 }, host);
    }
    t.ok(
      pods.some(({ name, state }) => name === 'first' && state === 'ready'),
      'the first claimant has the address',
    );
    const counted = () =>
      mesh
        .samples('waypoints')
        .then((all) => samplesWith(all, 'istio_requests_total', { destination_service_namespace: 'routed' }));
    t.equal((await eventually(counted, (found) => found.length > 0))[0]?.value, 1, 'requests are counted all the same');
  });
});

t.test('what cannot start is one line on standard error, exit code 64, and leaves nothing', async (t) => {
  const around = openAmbientdFolder();
  t.teardown(around.remove);
  const folder = join(around.path, 'manifests');
  mkdirSync(folder);
  const file = join(folder, 'good.yaml');
  writeFileSync(file, good);
  const name = meshName('never');
  const refuses = async (t: Test, words: readonly string[], said: RegExp): Promise<void> => {
    const { code, errors } = await around.run(...words);
    t.equal(code, 64);
    t.match(errors, /^ambientd: [^\n]+\n$/, 'one line');
    t.match(errors, said);
    t.same(around.runFolders(), []);
    t.same(around.processes(), []);
  };

  await t.test('a port of the gate that is taken', async (t) => {
    const holder = createServer().listen(0, '127.0.0.1');
    await once(holder, 'listening');
    t.teardown(() => void holder.close());
    const address = holder.address();
    const port = typeof address === 'object' && address !== null ? `${address.port}` : '';
    await refuses(
      t,
      ['up', file, '--name', name, '--port', port],
      new RegExp(`port ${port} of 127\\.0\\.0\\.1 is in use; choose another`),
    );
  });

  await t.test('manifests that are not there', async (t) => {
    const absent = join(folder, 'absent.yaml');
    await refuses(
      t,
      ['up', absent, '--name', name],
      /no manifests at .*absent\.yaml: it does not exist; name a file or folder/,
    );
  });

  await t.test('manifests of which not one can be read', async (t) => {
    const torn = join(around.path, 'torn.yaml');
    writeFileSync(torn, 'apiVersion: v1\nkind: Pod\nmetadata: { name: torn\nspec: {}\n');
    await refuses(t, ['up', torn, '--name', name], /torn\.yaml:4: .*mend/);
  });

  await t.test('a folder without manifests', async (t) => {
    const empty = join(around.path, 'empty');
    mkdirSync(empty);
    await refuses(t, ['up', empty, '--name', name], /no manifest could be read from .*empty: there is no \*\.yaml/);
  });

  await t.test('options that make no sense', async (t) => {
    await refuses(t, ['up', file, '--port', 'many'], /--port "many" is no port; use|--port "many" is no port: use/);
    await refuses(t, ['up', file, '--name', 'No Name'], /--name "No Name": use/);
    await refuses(t, ['up'], /no manifests given: name a file or folder/);
    await refuses(t, ['up', file, '--run', 'image'], /--run "image": say image=command/);
    await refuses(t, ['exec', 'nowhere', '--', 'true'], /"nowhere" is no pod: say NAMESPACE\/POD/);
  });
});
