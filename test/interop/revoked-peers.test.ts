// Certificates that are revoked (CRL_PATH), between Istio's ztunnel and ours: each reads lists that revoke the other's certificate, and does
// with tunnels, metrics and log lines what the other does.
import { once } from 'node:events';
import { renameSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { createCrlPem } from '../support/certificate-chains.ts';
import { inUserNamespace } from '../support/in-user-namespace.ts';
import { eventually } from './eventually.ts';
import { unpackZtunnel, whatIsMissing } from './istio-program-process.ts';
import { startIstioZtunnel } from './istio-ztunnel.ts';
import { startMeshCa } from './mesh-ca.ts';
import { startOurZtunnel } from './our-ztunnel.ts';
import { connectFrom, exchange, podAddress, startApplication } from './pod-application.ts';
import type { PodProxy } from './pod-proxy-process.ts';
import { createSides } from './pod-side.ts';
import { closedWithFlag, mutualTlsSeries } from './tcp-series.ts';
import { appPorts, mesh } from './two-pod-mesh.ts';

const missing = whatIsMissing();
if (missing !== undefined) {
  t.test("revoked peers of Istio's ztunnel and ours", { skip: missing }, async () => {});
} else if (await inUserNamespace(t, import.meta.filename, ['ip', 'nft'])) {
  t.test("revoked peers of Istio's ztunnel and ours", { timeout: 90_000 }, meet);
}

t.setTimeout(100_000);

const text = /error="connection closed: peer certificate revoked by CRL/;

async function meet(t: Test): Promise<void> {
  const files = unpackZtunnel();
  const sides = await createSides(t);
  const ca = await startMeshCa(t, [sides.theirs, sides.ours], files.folder, 15012);
  await startApplication(t, sides.theirs);
  await startApplication(t, sides.ours);
  const folder = t.testdir({ theirs: { 'crl.pem': '' }, ours: { 'crl.pem': '' } });
  const pathOf = (name: string): string => join(folder, name, 'crl.pem');
  const theirs = await startIstioZtunnel(t, files, sides.theirs, ca, mesh, { CRL_PATH: pathOf('theirs') });
  const ours = await startOurZtunnel(t, files.folder, sides.ours, ca, mesh, { CRL_PATH: pathOf('ours') });

  const revoke = async (name: string, revoked: readonly string[]): Promise<void> => {
    writeFileSync(`${pathOf(name)}.new`, await createCrlPem({ issuer: ca.authority.rootPem, revoked }));
    renameSync(`${pathOf(name)}.new`, pathOf(name));
  };
  for (const [name, judge, judged] of [
    ['ours', ours, theirs],
    ['theirs', theirs, ours],
  ] as const) {
    await t.test(`${name} ends its tunnels with a revoked peer, both ways, and makes no others`, async (t) => {
      const before = await rejections(judged);
      const called = await hold(t, judged, judge);
      const calling = await hold(t, judge, judged);
      const ended = Promise.all([whenClosed(called), whenClosed(calling)]);
      await revoke(name, [await certificateOf(judged)]);
      await ended;
      const lines = () => linesOf(judge).filter((line) => text.test(line));
      t.equal((await eventually(lines, ({ length }) => length >= 2)).length, 2, 'one line each');
      t.same(await rejections(judge), { destination: 1, source: 1 });
      t.same(await flagged(judge, judged), { destination: 1, source: 1 });

      t.notMatch(await sayHello(t, judged, judge), 'hello');
      t.notMatch(await sayHello(t, judge, judged), 'hello');
      const after = await eventually(
        () => rejections(judge),
        ({ destination, source }) => destination + source >= 4,
      );
      t.ok(after.destination >= 2 && after.source >= 2, `${JSON.stringify(after)}`);
      t.same(await rejections(judged), before, 'who is revoked has refused nobody');

      await revoke(name, []);
      const again = () => Promise.all([sayHello(t, judged, judge), sayHello(t, judge, judged)]);
      t.same(await eventually(again, (answers) => answers.every((answer) => answer === 'hello')), ['hello', 'hello']);
    });
  }
}

async function hold(t: Test, from: PodProxy, to: PodProxy): Promise<Socket> {
  const socket = await connectFrom(t, from.side, podAddress(to.side.pod, appPorts.echoes));
  socket.on('error', () => {});
  socket.write('hello');
  await once(socket, 'data');
  return socket;
}

function whenClosed(socket: Socket): Promise<void> {
  socket.on('end', () => socket.destroy()).resume();
  return new Promise((resolve) => socket.once('close', () => resolve()));
}

async function sayHello(t: Test, from: PodProxy, to: PodProxy): Promise<string> {
  try {
    return `${await exchange(t, from.side, podAddress(to.side.pod, appPorts.returns), Buffer.from('hello'))}`;
  } catch (error) {
    return String(error);
  }
}

function linesOf({ log }: PodProxy): readonly string[] {
  return log().split('\n');
}

interface ByReporter {
  readonly destination: number;
  readonly source: number;
}

async function rejections({ metrics }: PodProxy): Promise<ByReporter> {
  const samples = (await metrics()).filter(({ name }) => name === 'istio_crl_policy_rejections_total');
  const of = (reporter: string): number => samples.find(({ labels }) => labels['reporter'] === reporter)?.value ?? 0;
  return { destination: of('destination'), source: of('source') };
}

async function flagged(judge: PodProxy, judged: PodProxy): Promise<ByReporter> {
  const samples = await judge.metrics();
  const [own, other] = [judge.side.pod, judged.side.pod];
  return {
    destination: closedWithFlag(mutualTlsSeries(samples, 'destination', other, own), 'CERT_REVOKED'),
    source: closedWithFlag(mutualTlsSeries(samples, 'source', own, other), 'CERT_REVOKED'),
  };
}

/** The one that it shows now. */
async function certificateOf(proxy: PodProxy): Promise<string> {
  const { certificates } = JSON.parse((await proxy.admin('/config_dump')).body) as {
    certificates: { identity: string; certChain: { pem: string }[] }[];
  };
  const own = certificates.find(({ identity }) => identity === proxy.side.pod.identity.uri);
  return Buffer.from(own?.certChain[0]?.pem ?? '', 'base64').toString();
}
