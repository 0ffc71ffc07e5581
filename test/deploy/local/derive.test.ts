// `ambientd derive` as its users call it: what it prints, where its problems go, and how it ends.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';

const root = join(import.meta.dirname, '../../..');
const fixtures = join(process.env['AMBIENTD_SHARED'] ?? join(root, '../shared'), 'lab/fixtures');

function derive(...words: readonly string[]) {
  return spawnSync(process.execPath, [join(root, 'deploy/local/main.ts'), 'derive', ...words], { encoding: 'utf8' });
}

function manifest(t: Test, text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'derive-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'mesh.yaml');
  writeFileSync(file, text);
  return file;
}

interface Printed {
  readonly [type: string]: readonly { readonly name: string; readonly resource: unknown }[];
}

const byName = (list: Printed[string] | undefined): unknown =>
  Object.fromEntries((list ?? []).map(({ name, resource }) => [name, resource]));

const skip = existsSync(fixtures) ? false : `no recordings of istiod at ${fixtures}`;

t.test('a dump of the API gives what istiod sent for it', { skip }, async (t) => {
  for (const name of ['01-podinfo-waypoint', '42-authz-selector', '51-peer-auth-workload']) {
    const { stdout, status } = derive(join(fixtures, name, 'objects.json'), '--json');
    t.equal(status, 0, name);
    t.equal(stdout.trimEnd().split('\n').length, 1, 'in one line');
    const derived: Printed = JSON.parse(stdout);
    const recorded: Printed = JSON.parse(readFileSync(join(fixtures, name, 'wds.json'), 'utf8'));
    for (const type of ['istio.workload.Address', 'istio.security.Authorization']) {
      t.strictSame(byName(derived[type]), byName(recorded[type]), `${name}: ${type}`);
    }
  }
});

t.test('templates alone give services, and a line that says why no workloads', async (t) => {
  const { stdout, stderr, status } = derive(
    manifest(
      t,
      `apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
spec: { template: { metadata: { labels: { app: web } } } }
---
apiVersion: v1
kind: Service
metadata: { name: web }
spec: { selector: { app: web }, ports: [{ port: 80 }], clusterIP: 10.96.0.10 }
`,
    ),
  );
  t.equal(status, 0);
  const lines = stderr.trimEnd().split('\n');
  t.equal(lines.length, 1);
  t.match(lines[0], /templates of pods \(Deployment\) and no Pod/);
  t.same(
    JSON.parse(stdout)['istio.workload.Address'].map(({ name }: { name: string }) => name),
    ['default/web.default.svc.cluster.local'],
  );
});

t.test('an object that cannot be read is named, the others are printed, and the exit code is 1', async (t) => {
  const { stdout, stderr, status } = derive(
    manifest(
      t,
      `apiVersion: v1
kind: Service
metadata: { name: bad }
spec: { ports: [{ port: http }] }
---
apiVersion: v1
kind: Pod
metadata: { name: good }
status: { podIP: 10.9.0.1 }
`,
    ),
  );
  t.equal(status, 1);
  t.match(stderr, /mesh\.yaml:1: Service default\/bad: spec\.ports\[0\]\.port is "http"/);
  t.match(stdout, /Kubernetes\/\/Pod\/default\/good/);
});

t.test('a path without objects is bad usage', async (t) => {
  const { stdout, stderr, status } = derive('/nonexistent/mesh.yaml');
  t.equal(status, 64);
  t.equal(stdout, '');
  t.match(stderr, /^ambientd: derive: no Kubernetes object in \/nonexistent\/mesh\.yaml: .*does not exist/);
});
