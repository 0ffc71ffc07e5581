// A mesh comes and goes as a whole: no process, namespace, mount or file outlives it, however it ends; what dies inside it is started
// again; two of them do not meet; and all of it works for an ordinary user.
import { readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { type AmbientdFolder, openAmbientdFolder, pause } from '../support/ambientd-process.ts';
import { eventually, freePort, type LocalMesh, meshName, startLocalMesh, whyNoCapture } from '../support/local-mesh.ts';

t.setTimeout(120_000);

const skip = await whyNoCapture();

const pair = `
apiVersion: v1
kind: Namespace
metadata: { name: shop, labels: { istio.io/dataplane-mode: ambient } }
---
apiVersion: v1
kind: Pod
metadata: { name: server, namespace: shop, labels: { app: server } }
spec: { containers: [{ name: main, image: echo, ports: [{ containerPort: 8080 }] }] }
---
apiVersion: v1
kind: Service
metadata: { name: server, namespace: shop }
spec: { selector: { app: server }, ports: [{ name: http, port: 80, targetPort: 8080 }] }
---
apiVersion: v1
kind: Pod
metadata: { name: client, namespace: shop }
spec: { containers: [{ name: main, image: client }] }
`;

const processNumbers = () => readdirSync('/proc').filter((name) => /^\d+$/.test(name));

/** Namespaces of these processes, such as `net:[4026532281]`. */
function namespacesOf(processes: readonly (string | number)[]): Set<string> {
  const links = processes.flatMap((pid) =>
    ['net', 'mnt', 'user', 'pid', 'uts'].flatMap((kind) => {
      try {
        return [readlinkSync(`/proc/${pid}/ns/${kind}`)];
      } catch {
        return [];
      }
    }),
  );
  return new Set(links);
}

const mounts = () => readFileSync('/proc/self/mountinfo', 'utf8');

/** The process that runs this program of the checkout, in a mesh of this folder. */
function processRunning(around: AmbientdFolder, program: string): number {
  const found = around.processes().find((pid) => {
    const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    return (
      words[0]?.endsWith('node') === true && words.find((word) => word.endsWith('.ts'))?.endsWith(program) === true
    );
  });
  if (found === undefined) throw new Error(`${program} does not run`);
  return found;
}

function manifestsIn(around: AmbientdFolder): string {
  const file = join(around.path, 'pair.yaml');
  writeFileSync(file, pair);
  return file;
}

const isServed = async (mesh: LocalMesh) => (await mesh.curl('shop/client', 'http://server/')).status === 200;

t.test('what dies inside a mesh is started again', { skip }, async (t) => {
  const mesh = await startLocalMesh(t, { name: 'revive', files: { 'pair.yaml': pair } });
  t.ok(await isServed(mesh));

  await t.test('ztunnel', async (t) => {
    process.kill(processRunning(mesh.around, 'ztunnel/main.ts'), 'SIGKILL');
    t.ok(
      await eventually(
        () => isServed(mesh),
        (served) => served,
      ),
    );
    t.match((await mesh.status()).ztunnel, { state: 'running' });
    t.match(mesh.running.output(), /ztunnel/, 'and it is said');
  });

  await t.test("a pod's program", async (t) => {
    const started = await mesh.pod('shop', 'server');
    const script = 'deploy/local/echo/main.ts';
    const server = mesh.around.processes().filter((pid) => {
      const environment = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
      const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
      return words[1]?.endsWith(script) === true && environment.includes('POD_NAME=server');
    });
    for (const pid of server) process.kill(pid, 'SIGKILL');
    const restarted = () => mesh.pod('shop', 'server');
    const after = await eventually(
      restarted,
      ({ state, containers }) => state === 'ready' && containers[0]?.restarts === 1,
    );
    t.match(after, { state: 'ready', address: started.address, containers: [{ restarts: 1 }] });
    t.ok(
      await eventually(
        () => isServed(mesh),
        (served) => served,
      ),
    );
    t.match(
      mesh.running.output(),
      /warning: pod shop\/server, container main ended \(.*\), again in \d+ ms, .*; it said: /,
    );
  });
});

t.test('two meshes stand side by side', { skip }, async (t) => {
  const one = await startLocalMesh(t, { name: 'one', files: { 'pair.yaml': pair } });
  const around = openAmbientdFolder();
  t.teardown(around.remove);
  const two = around.start('up', one.folder, '--name', meshName('two'), '--port', `${await freePort()}`);
  await two.says(/http_sd_configs/);
  const servedByTwo = () =>
    around.run('exec', 'shop/client', '--name', meshName('two'), '--', 'curl', '-sf', 'http://server/');
  t.ok(await isServed(one));
  t.match(await servedByTwo(), { code: 0 });
  two.process.kill('SIGTERM');
  t.match(await two.ended, { code: 0 });
  t.ok(await around.isClean());
  t.ok(await isServed(one), 'the end of one is nothing to the other');
});

const endings: Readonly<Record<string, (around: AmbientdFolder, command: number) => Promise<unknown>>> = {
  'ambientd down': (around) => around.run('down', '--name', meshName('end')),
  'Ctrl-C': async (_, command) => process.kill(-command, 'SIGINT'),
  'a hang-up': async (_, command) => process.kill(command, 'SIGHUP'),
  'a kill of the command': async (_, command) => process.kill(command, 'SIGKILL'),
  'a kill of the supervisor': async (around) => process.kill(processRunning(around, 'supervisor/main.ts'), 'SIGKILL'),
};
for (const [ending, end] of Object.entries(endings)) {
  t.test(`${ending} leaves no process, namespace, mount or file`, { skip }, async (t) => {
    const around = openAmbientdFolder();
    t.teardown(around.remove);
    const mountsBefore = mounts();
    const mesh = around.start('up', manifestsIn(around), '--name', meshName('end'), '--port', `${await freePort()}`);
    await mesh.says(/http_sd_configs/);
    const own = namespacesOf([process.pid]);
    const made = new Set([...namespacesOf(around.processes())].filter((name) => !own.has(name)));
    t.ok(made.size >= 8, `it has namespaces of its own: ${made.size}`);
    await end(around, mesh.process.pid ?? 0);
    await mesh.ended;
    t.ok(await around.isClean(), 'no process, no run folder');
    const left = () => [...namespacesOf(processNumbers())].filter((name) => made.has(name));
    t.same(await eventually(left, (found) => found.length === 0), [], 'no namespace');
    t.equal(mounts(), mountsBefore, 'no mount');
    t.same(readdirSync(around.path), ['pair.yaml'], 'no file');
  });
}

t.test('Ctrl-C while it starts leaves nothing either', { skip }, async (t) => {
  for (const afterMs of [150, 700]) {
    const around = openAmbientdFolder();
    t.teardown(around.remove);
    const mesh = around.start('up', manifestsIn(around), '--name', meshName('early'));
    await pause(afterMs);
    process.kill(-(mesh.process.pid ?? 0), 'SIGINT');
    await mesh.ended;
    t.ok(await around.isClean(), `${afterMs} ms after its start`);
  }
});
