// Both ends of ZDS over its real socket; the pods' namespace is the one this process is in.
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { identifyNamespace, openNamespace } from '../../../common/net/network-namespace-socket.ts';
import { connectSeqpacket, listenSeqpacket, type SeqpacketConnection } from '../../../common/net/seqpacket-socket.ts';
import { createZdsClient } from '../../../common/zds/zds-client.ts';
import { encodeHello, encodeRequest, type PodWorkload } from '../../../common/zds/zds-codec.ts';
import { createZdsServer, type ZdsServer } from '../../../common/zds/zds-server.ts';
import { collectLog } from '../../support/collected-log.ts';

const skip = process.platform === 'linux' ? false : 'ZDS needs Linux';
const ownNamespace = '/proc/self/ns/net';
const pod = (uid: string): PodWorkload => ({ uid, name: `pod-${uid}`, namespace: 'shop', serviceAccount: 'web' });

function socketPath(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'zds-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  return join(folder, 'zds.sock');
}

interface Ztunnel {
  /** What was asked of it, in order: `add u1`, `delete u1`, `ready`, `waiting`. */
  readonly told: string[];
  /** Settles when all of these have been told at least once. */
  has(...expected: string[]): Promise<void>;
  close(): Promise<void>;
}

async function startZtunnel(t: Test, path: string, refused: Set<string> = new Set()): Promise<Ztunnel> {
  const told: string[] = [];
  let wake = (): void => {};
  const tell = (what: string): void => {
    told.push(what);
    wake();
  };
  const own = await openNamespace(ownNamespace);
  own.close();
  const client = createZdsClient({
    path,
    log: collectLog().log,
    onAdd: async ({ uid, name }, descriptor) => {
      if (refused.has(uid)) throw new Error(`port 15008 of ${name} is taken`);
      t.equal(identifyNamespace(descriptor), own.identity, 'the descriptor is that of the namespace');
      tell(`add ${uid}`);
    },
    onDelete: async (uid) => tell(`delete ${uid}`),
    onReadiness: tell,
  });
  await client.start();
  t.teardown(() => client.close());
  const has = async (...expected: string[]): Promise<void> => {
    while (!expected.every((what) => told.includes(what))) await new Promise<void>((resolve) => (wake = resolve));
  };
  return { told, has, close: () => client.close() };
}

async function startAgent(t: Test, path: string): Promise<ZdsServer> {
  const agent = createZdsServer({ path, log: collectLog().log });
  await agent.start();
  t.teardown(() => agent.close());
  return agent;
}

const openDescriptors = (): number => readdirSync('/proc/self/fd').length;

t.test('pods', { skip }, async (t) => {
  const path = socketPath(t);
  const agent = await startAgent(t, path);
  t.equal(statSync(path).mode & 0o777, 0o600, 'the socket is for this user alone');
  const early = agent.add(pod('early'), ownNamespace);
  const ztunnel = await startZtunnel(t, path);
  await early;
  await ztunnel.has('ready');
  t.same(ztunnel.told, ['add early', 'ready'], 'that came before ztunnel are in its snapshot');
  await agent.add(pod('late'), ownNamespace);
  t.equal(ztunnel.told.at(-1), 'add late', 'that come later are added');
  await agent.delete('early');
  t.equal(ztunnel.told.at(-1), 'delete early', 'are deleted');
  await agent.delete('never-there');
  t.equal(ztunnel.told.length, 4, 'that are unknown are not');
});

t.test('a pod that ztunnel refuses', { skip }, async (t) => {
  const path = socketPath(t);
  const agent = await startAgent(t, path);
  const ztunnel = await startZtunnel(t, path, new Set(['u1']));
  await ztunnel.has('ready');
  await t.rejects(agent.add(pod('u1'), ownNamespace), {
    code: 'IO_FAILED',
    message: 'ztunnel does not serve the pod shop/pod-u1 (u1): failure to start proxy : port 15008 of pod-u1 is taken',
  });
  t.same(ztunnel.told, ['ready', 'waiting']);
  await agent.delete('u1');
  t.same(ztunnel.told, ['ready', 'waiting', 'ready'], 'is waited for until it is deleted');
});

t.test('a ztunnel that connects anew', { skip }, async (t) => {
  const path = socketPath(t);
  const first = await startAgent(t, path);
  const ztunnel = await startZtunnel(t, path);
  await Promise.all([first.add(pod('u1'), ownNamespace), first.add(pod('u2'), ownNamespace)]);
  await first.close();
  await ztunnel.has('waiting');
  const second = await startAgent(t, path);
  await second.add(pod('u2'), ownNamespace);
  await ztunnel.has('delete u1');
  t.same(
    ztunnel.told.filter((what) => what.endsWith('u2')),
    ['add u2'],
    'keeps what still runs and stops what is gone',
  );
});

t.test('with two ztunnels the newest gets new pods, and both lose deleted ones', { skip }, async (t) => {
  const path = socketPath(t);
  const agent = await startAgent(t, path);
  const older = await startZtunnel(t, path);
  await older.has('ready');
  await agent.add(pod('u1'), ownNamespace);
  const newer = await startZtunnel(t, path);
  await newer.has('ready');
  await agent.add(pod('u2'), ownNamespace);
  await agent.delete('u1');
  t.same(older.told, ['ready', 'add u1', 'delete u1']);
  t.same(newer.told, ['add u1', 'ready', 'add u2', 'delete u1']);
});

t.test('nothing stays open', { skip }, async (t) => {
  const path = socketPath(t);
  const before = openDescriptors();
  const agent = await startAgent(t, path);
  const ztunnel = await startZtunnel(t, path, new Set(['bad']));
  await ztunnel.has('ready');
  for (let i = 0; i < 20; i++) await agent.add(pod(`u${i}`), ownNamespace);
  await t.rejects(agent.add(pod('bad'), ownNamespace));
  const unserved = createZdsServer({ path: `${path}2`, log: collectLog().log });
  await unserved.start();
  const waiting = t.rejects(unserved.add(pod('u1'), ownNamespace), { message: /the agent was closed before any/ });
  await new Promise((resolve) => setImmediate(resolve));
  await unserved.close();
  await waiting;
  await ztunnel.close();
  await agent.close();
  await new Promise((resolve) => setImmediate(resolve));
  t.equal(openDescriptors(), before);
  t.throws(() => statSync(path), { code: 'ENOENT' });
});

/** An agent that sends what it likes. */
async function meetRudeAgent(t: Test, path: string): Promise<SeqpacketConnection> {
  const connections = Promise.withResolvers<SeqpacketConnection>();
  const listener = listenSeqpacket(path, connections.resolve);
  t.teardown(() => listener.close());
  const connection = await connections.promise;
  t.teardown(() => connection.close());
  t.same((await connection.receive()).bytes, encodeHello());
  return connection;
}

t.test('an agent that breaks the protocol is told why, and loses its connection', { skip }, async (t) => {
  const own = await openNamespace(ownNamespace);
  t.teardown(() => own.close());
  const add = encodeRequest({ kind: 'add', uid: 'u1', info: pod('u1') });
  const bare = encodeRequest({ kind: 'add', uid: 'u1', info: undefined });
  const snapshotSent = encodeRequest({ kind: 'snapshot-sent' });
  const breaches: readonly (readonly [string, Buffer, readonly number[], RegExp])[] = [
    ['an addition without its descriptor', add, [], /failure to read message : expected 1 descriptor with add, got 0/],
    ['one with two', add, [own.descriptor, own.descriptor], /expected 1 descriptor with add, got 2/],
    ['one without workload info', bare, [own.descriptor], /failure to process message : pod u1 came without/],
    ['a descriptor with something else', snapshotSent, [own.descriptor], /expected 0 descriptors/],
    [
      'a long message',
      Buffer.concat([add, Buffer.alloc(1024)]),
      [],
      /failure to read message : it is longer than 1024/,
    ],
    ['no message at all', Buffer.from('ff', 'hex'), [], /failure to read message : a ZDS message of 1 bytes/],
  ];
  for (const [name, bytes, descriptors, answer] of breaches) {
    await t.test(name, async (t) => {
      const path = socketPath(t);
      const ztunnel = await startZtunnel(t, path);
      const connection = await meetRudeAgent(t, path);
      const before = openDescriptors();
      connection.send(bytes, descriptors);
      t.match((await connection.receive()).bytes.toString(), answer);
      t.equal((await connection.receive()).bytes.length, 0);
      t.ok(openDescriptors() <= before, 'and leaves no descriptor open');
      t.same(ztunnel.told, []);
      await ztunnel.close();
    });
  }
});

t.test('a ztunnel that breaks the protocol loses its connection', { skip }, async (t) => {
  const path = socketPath(t);
  await startAgent(t, path);
  const foreign = connectSeqpacket(path);
  t.teardown(() => foreign.close());
  foreign.send(Buffer.from('0802', 'hex'));
  t.equal((await foreign.receive()).bytes.length, 0, 'with another version');
  const talkative = connectSeqpacket(path);
  t.teardown(() => talkative.close());
  talkative.send(encodeHello());
  t.same((await talkative.receive()).bytes, encodeRequest({ kind: 'snapshot-sent' }));
  talkative.send(Buffer.from('0a00', 'hex'));
  talkative.send(Buffer.from('0a00', 'hex'));
  t.equal((await talkative.receive()).bytes.length, 0, 'with an acknowledgement too many');
});

t.test('what cannot be handed over is refused at once', { skip }, async (t) => {
  const agent = await startAgent(t, socketPath(t));
  await t.rejects(agent.add({ ...pod('u1'), name: 'x'.repeat(1100) }, ownNamespace), { code: 'RESOURCE_INVALID' });
  await t.rejects(agent.add(pod('u1'), '/'), { code: 'RESOURCE_INVALID', message: /is no network namespace/ });
});

t.test('a path', { skip }, async (t) => {
  const path = socketPath(t);
  const agent = await startAgent(t, path);
  const other = createZdsServer({ path, log: collectLog().log });
  await t.rejects(other.start(), { code: 'ADDRESS_IN_USE', message: /another process listens on/ }, 'in use');
  await agent.close();
  writeFileSync(path, '');
  await t.rejects(other.start(), { code: 'ADDRESS_IN_USE', message: /is no socket/ }, 'that holds a file');
  rmSync(path);
  t.throws(() => connectSeqpacket(path), { code: 'UPSTREAM_REFUSED' }, 'where nobody listens');
  const long = createZdsServer({ path: `/${'x'.repeat(120)}`, log: collectLog().log });
  await t.rejects(long.start(), { code: 'CONFIG_INVALID', message: /121 bytes/ }, 'that is too long');
});
