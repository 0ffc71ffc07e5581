// Programs as they are, as pods: Python's web server, nginx, a database, and protocols that a proxy easily breaks. Every byte comes
// through, in the mesh, through a waypoint, and between pods of which only one is in the mesh; servers see who calls.
import { spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { eventually, samplesWith, startLocalMesh, whyNoCapture } from '../support/local-mesh.ts';

t.setTimeout(120_000);

const isThere = (program: string) => spawnSync(program, ['--version']).error === undefined;
const skip = isThere('python3')
  ? await whyNoCapture()
  : 'the program python3 is missing; on Debian: apt install python3';

/** 7001 answers only when its client has ended: with the hash of all it got. 7002 speaks first: it tells its client's address. */
const protocols = `
import hashlib, os, socket, threading

def ports():
    yield 7001, lambda c, peer: c.sendall(digest(c).encode())
    yield 7002, lambda c, peer: (c.sendall(('hello ' + peer[0] + chr(10)).encode()), c.sendall(c.recv(100)))

def digest(c):
    h = hashlib.sha256()
    while data := c.recv(65536): h.update(data)
    return h.hexdigest()

def serve(port, answer):
    s = socket.create_server((os.environ['POD_IP'], port))
    while True:
        c, peer = s.accept()
        threading.Thread(target=lambda: (answer(c, peer), c.close()), daemon=True).start()

threads = [threading.Thread(target=serve, args=p) for p in ports()]
for thread in threads: thread.start()
`;

/** Sends the file, says that it has ended, and prints what comes then. */
const halfClose = `
import socket, sys
c = socket.create_connection((sys.argv[1], 7001), 15)
c.sendfile(open(sys.argv[2], 'rb'))
c.shutdown(socket.SHUT_WR)
print(c.makefile().read())
`;

/** Says nothing before it was spoken to. */
const listenFirst = `
import socket, sys
c = socket.create_connection((sys.argv[1], 7002), 15)
f = c.makefile()
print(f.readline().strip())
c.sendall(b'and you')
print(f.read())
`;

/** Sends a thousand bytes, and ends when the file is there. */
const hold = `
import os, socket, sys, time
c = socket.create_connection((sys.argv[1], 7001), 15)
c.sendall(bytes(1000))
while not os.path.exists(sys.argv[2]): time.sleep(0.05)
`;

const nginxConfig = (folder: string) => `
daemon off;
pid ${folder}/nginx.pid;
error_log stderr;
events {}
http {
  access_log off;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${folder}/${name};`).join(' ')}
  server { listen 8080; location / { return 200 "nginx for $remote_addr\\n"; } }
}
`;

const pod = (name: string, namespace: string, ports: readonly number[], security = '') => `
apiVersion: v1
kind: Pod
metadata: { name: ${name}-0, namespace: ${namespace}, labels: { app: ${name} } }
spec:
  ${security}
  containers: [{ name: main, image: ${name}, ports: ${JSON.stringify(ports.map((containerPort) => ({ containerPort })))} }]
---`;
const service = (name: string, namespace: string, ports: Readonly<Record<string, number>>) => `
apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: ${namespace} }
spec: { selector: { app: ${name} }, ports: ${JSON.stringify(Object.entries(ports).map(([port, number]) => ({ name: port, port: number })))} }
---`;
const programs = (namespace: string) => `
${pod('files', namespace, [8000])}${service('files', namespace, { http: 8000 })}
${pod('protocols', namespace, [7001, 7002])}${service('protocols', namespace, { 'tcp-end': 7001, 'tcp-greet': 7002 })}
${pod('client', namespace, [])}`;

const namespaces = `
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
---`;

const sizesBytes = { large: 100 * 1024 * 1024, small: 10 * 1024 * 1024 };

t.test('programs as they are', { skip }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'e2e-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const hashes = Object.entries(sizesBytes).map(([name, sizeBytes]) => {
    const content = randomBytes(sizeBytes);
    writeFileSync(join(folder, name), content);
    return [name, createHash('sha256').update(content).digest('hex')] as const;
  });
  const hashOf = new Map(hashes);
  for (const [name, text] of Object.entries({ protocols, halfClose, listenFirst, hold })) {
    writeFileSync(join(folder, `${name}.py`), text);
  }
  mkdirSync(join(folder, 'database'));
  writeFileSync(join(folder, 'nginx.conf'), nginxConfig(folder));
  const commands = {
    files: `python3 -m http.server --bind $(POD_IP) --directory ${folder} 8000`,
    protocols: `python3 ${folder}/protocols.py`,
    held: `python3 ${folder}/protocols.py`,
    client: 'exec sleep 600',
    web: `exec nginx -p ${folder} -e stderr -c ${folder}/nginx.conf`,
    db: `exec mariadbd --no-defaults --user=root --skip-grant-tables --datadir=${folder}/database --bind-address=0.0.0.0 --socket=${folder}/s --pid-file=${folder}/pid`,
  };
  const mesh = await startLocalMesh(t, {
    name: 'real',
    files: {
      'mesh.yaml': `${namespaces}${programs('shop')}${pod('held', 'shop', [7001])}${service('held', 'shop', { tcp: 7001 })}${programs('behind')}${programs('plain')}`,
      'web.yaml': isThere('nginx')
        ? `${pod('web', 'shop', [8080], 'securityContext: { runAsUser: 101 }')}${service('web', 'shop', { http: 8080 })}`
        : '',
      'db.yaml': isThere('mariadbd') ? `${pod('db', 'shop', [3306])}${service('db', 'shop', { 'tcp-sql': 3306 })}` : '',
      'ambientd.yaml': JSON.stringify({ run: commands }),
    },
  });
  const python = async (from: string, script: string, ...args: readonly string[]) => {
    const { output, errors } = await mesh.exec(from, 'python3', join(folder, `${script}.py`), ...args);
    return errors === '' ? output.trim().split('\n') : [errors];
  };
  const security = { enrolled: 'mutual_tls', plain: 'unknown' };

  await t.test('each runs as what it is', async (t) => {
    const { pods } = await mesh.status();
    t.same(
      pods.filter(
        ({ state, role, containers }) =>
          role === 'application' && !(state === 'ready' && containers[0]?.runs === 'program'),
      ),
      [],
    );
    t.notMatch(mesh.running.output(), /warning/);
  });

  const release = join(folder, 'release');
  const held = mesh.exec('shop/client-0', 'python3', join(folder, 'hold.py'), 'held.shop', release);

  for (const [from, to, how] of [
    ['shop', 'shop', 'in the mesh'],
    ['shop', 'behind', 'through a waypoint'],
    ['plain', 'shop', 'from outside into the mesh'],
    ['shop', 'plain', 'from the mesh to outside'],
  ] as const) {
    await t.test(`${how}, ${from} to ${to}`, async (t) => {
      const client = `${from}/client-0`;
      const large = from === to || to === 'behind' ? 'large' : 'small';
      const download = await mesh.exec(
        client,
        'sh',
        '-c',
        `curl -s --max-time 30 http://files.${to}:8000/${large} | sha256sum`,
      );
      t.match(download.output, hashOf.get(large) ?? '', 'what http.server sends is what arrives');
      t.same(
        await python(client, 'halfClose', `protocols.${to}`, join(folder, 'small')),
        [hashOf.get('small')],
        'a server answers after its client has ended',
      );
      const caller =
        to === 'behind'
          ? (await mesh.pod('behind', 'door').catch(() => undefined))?.address
          : (await mesh.pod(from, 'client-0')).address;
      t.same(
        await python(client, 'listenFirst', `protocols.${to}`),
        [`hello ${caller}`, 'and you'],
        'a server may speak first, and sees who calls',
      );
    });
  }

  await t.test('what passed in plain was counted so, and what passed in the mesh as mutual TLS', async (t) => {
    const samples = await eventually(
      () => mesh.samples('ztunnel'),
      (all) => samplesWith(all, 'istio_tcp_connections_closed_total').length > 3,
    );
    const securityOf = (reporter: string, sourceNamespace: string, destination: string) => {
      const labels = {
        reporter,
        source_workload_namespace: sourceNamespace,
        destination_workload_namespace: destination,
      };
      return [
        ...new Set(
          samplesWith(samples, 'istio_tcp_connections_opened_total', labels).map(
            (each) => each.labels['connection_security_policy'],
          ),
        ),
      ];
    };
    t.same(securityOf('source', 'shop', 'shop'), [security.enrolled]);
    t.same(securityOf('destination', 'shop', 'shop'), [security.enrolled]);
    t.same(securityOf('destination', 'plain', 'shop'), [security.plain]);
    t.same(securityOf('source', 'shop', 'plain'), [security.plain]);
  });

  await t.test(
    'nginx',
    { skip: isThere('nginx') ? false : 'nginx is missing; on Debian: apt install nginx-light' },
    async (t) => {
      const { address } = await mesh.pod('shop', 'client-0');
      t.same(await mesh.curl('shop/client-0', 'http://web.shop:8080/'), {
        status: 200,
        body: `nginx for ${address}\n`,
        exitCode: 0,
      });
    },
  );

  await t.test('a connection is reported while it lives, and once more when it ends', async (t) => {
    const both = [{ reporter: 'source' }, { reporter: 'destination' }];
    const values = async (name: string) => {
      const samples = await mesh.samples('ztunnel');
      return both.map((labels) => samplesWith(samples, name, { ...labels, destination_workload: 'held-0' })[0]?.value);
    };
    t.same(await values('istio_tcp_connections_opened_total'), [1, 1]);
    const received = () => values('istio_tcp_received_bytes_total');
    const reported = (all: readonly (number | undefined)[]) => all.every((value) => value === 1000);
    t.same(await eventually(received, reported), [1000, 1000], 'after 15 s at the latest');
    t.same(await values('istio_tcp_connections_closed_total'), [undefined, undefined]);
    writeFileSync(release, '');
    t.match(await held, { code: 0 });
    const closed = () => values('istio_tcp_connections_closed_total');
    t.same(await eventually(closed, (all) => all.every((value) => value === 1)), [1, 1]);
    t.same(await received(), [1000, 1000]);
  });

  const noDatabase =
    isThere('mariadbd') && isThere('mariadb')
      ? false
      : 'mariadbd is missing; on Debian: apt install mariadb-server-core mariadb-client-core';
  await t.test('a database, whose server speaks first', { skip: noDatabase }, async (t) => {
    const sql =
      'create database if not exists shop; create table shop.t (n int); insert into shop.t values (40), (2); select sum(n) from shop.t';
    const answer = await mesh.exec('shop/client-0', 'mariadb', '--no-defaults', '-h', 'db.shop', '-BNe', sql);
    t.match(answer, { code: 0, output: '42\n' });
  });
});
